"""Sending what the outbox holds: one sender a receiver, and one keeper of digests and of old rows.

Imports `process` and `settings`, and `sinks`.
"""
