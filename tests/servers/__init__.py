"""Real servers for tests and benchmarks: Kafka, PostgreSQL, a schema registry, Prometheus, a fault proxy.

Each module holds one server: `kafka.KafkaServer`, `postgres.PostgresServer`, `registry.RegistryServer`,
`prometheus.PrometheusServer`, `proxy.TcpProxy`. `fetch` installs what they need. Nothing is imported here,
so that `python -m tests.servers.fetch` runs before any dependency is installed.
"""
