"""The only entry to a partition: topics aligned at day barriers, each record given its fate and applied.

Facts that alert at once do so here. Imports `close` and below.
"""
