"""The worker: everything between delivered runs and durable state.

`process` builds it, `ingest` is its heart: decode, apply, publish, checkpoint, acknowledge. Imports `transport`,
`kafka`, `settings` and `process`, the core, and the metrics of `sinks`.
"""
