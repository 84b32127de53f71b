"""Channels to people and to their programs: each is one file and one line in the table."""
