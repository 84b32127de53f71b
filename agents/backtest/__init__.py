"""History through the same core in this process: replayed, scored against outcomes, reported.

Imports `replay` and `eventfiles`.
"""
