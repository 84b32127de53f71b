"""The Faust transport that delivers runs of records of one partition, and what a run is.

Imports `settings` and `process` only.
"""
