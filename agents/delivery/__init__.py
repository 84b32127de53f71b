"""The delivery: output topics into sinks, as projections that may lag and never lose.

Imports `kafka`, `process` and `settings`, and `sinks`.
"""
