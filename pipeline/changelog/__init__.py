"""A partition's state as changelog records: written at a checkpoint, read at recovery.

An account's value says which layout it has: columns by name, each with its type. The layout's own record stands before
the first value that names it, under a key made of its content. Of a layout that is not the present one, columns that
only the reader has take their default, columns that only the writer had are skipped, and a column of another type is
refused. So a day value, a scalar or an input topic joins with its line and a default, and a type changes with a new
name. Books and the partition's record are arrays to which fields with defaults are appended. What else changes needs
a format of its own, which older releases refuse.

Imports the whole core; nothing imports it but the shell.
"""
