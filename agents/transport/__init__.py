"""The Faust transport that delivers runs of records of one partition, what a run is, and the security of its clients.

Imports `settings` and `process` only.
"""
