"""The wire contract: Avro schemas, topics, the codec between bytes and columns."""
