"""Alembic's entry point: runs on the connection that `sinks.database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from sinks.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    # True of SQLite too, since our connections begin their transactions themselves.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
