"""Alert records: their identity, and what they say of an episode.

Imports the configuration, the kinds and the books.
"""
