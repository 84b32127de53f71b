"""Every kind of alert: what it is called, how bad it is, and what to do about it.

Imports `rules` and `terms`.
"""
