"""Kafka as the shell uses it: client settings, brokers, topics, the embedded broker, the schema registry.

Imports `settings` and `process`.
"""
