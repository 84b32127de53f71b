"""A process among processes: exit codes, memory, named places where fault tests make it die.

Imports nothing of the shell.
"""
