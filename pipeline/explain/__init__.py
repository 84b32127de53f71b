"""Why an alert: dimensions, contributors and the benchmark that it carries.

Imports `detectors`, `health` and below.
"""
