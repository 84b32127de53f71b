"""Between the bytes of Kafka records and columns: framing, decoding, encoding.

`decode` and `encode` are the ways in. Imports the registry and the definitions, nothing of the core.
"""
