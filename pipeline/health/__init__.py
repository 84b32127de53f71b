"""Health: how bad it is, from weighted dimensions; bands, and the records of account.health.

A new dimension is a function and a line in `dimensions`. Imports `evidence` and below, no detector.
"""
