"""Scorecards and health profiles as data, and which of them judge which accounts.

Definitions only, so that the configuration can hold them; `health` evaluates them. Imports `books` and `terms`.
"""
