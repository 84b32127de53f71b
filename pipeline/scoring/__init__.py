"""How good alerts are against outcomes that are known: lead time, precision, chance, and where they fail.

Imports kinds, alerts and `portfolio`; no part of the way of an event.
"""
