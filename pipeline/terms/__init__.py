"""Words that all rooms share: records, days, hashes, the calendar, what a kind of alert is.

Imports nothing of the core.
"""
