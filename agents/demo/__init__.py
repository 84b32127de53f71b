"""The whole pipeline on this machine: a sample stream, real topics, a real worker, a database.

Imports everything but the command line.
"""
