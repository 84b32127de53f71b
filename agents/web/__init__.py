"""The web shell: an application with sessions and headers around routes, who is asking, and commands that people give.

Imports `kafka` and `settings`.
"""
