"""The shell: runs the functional core against Kafka."""
