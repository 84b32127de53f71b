"""Recorded events into topics: the order of arrival, the plan, the producer, its pace; dead letters put back.

Imports `eventfiles` and `kafka`.
"""
