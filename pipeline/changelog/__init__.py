"""A partition's state as changelog records: written at a checkpoint, read at recovery.

Imports the whole core; nothing imports it but the shell.
"""
