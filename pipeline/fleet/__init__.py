"""The whole fleet as every partition sees it: merged days, and the alerts of the fleet and of its segments.

Imports `alerts` and below.
"""
