"""The database: an idempotent projection of the output topics, in SQLite or PostgreSQL."""
