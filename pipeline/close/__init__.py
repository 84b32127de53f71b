"""Closing a day: every account judged as of it, episodes opened and ended, late days amended.

Imports everything but `intake` and `changelog`.
"""
