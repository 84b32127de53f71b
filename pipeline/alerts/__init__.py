"""Alert records: their identity, and what they say of an episode.

Imports the configuration and the books.
"""
