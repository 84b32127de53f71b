"""Connections: one engine factory for writers and readers of SQLite and PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from sinks.errors import SinkUnavailableError

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy.engine import URL

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
_MEMORY = (None, "", ":memory:")


def database_url(url: str) -> URL:
    """Parse a database URL and name its driver.

    Raises:
        ValueError: the URL is neither SQLite on disk nor PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except Exception as error:
        # The message of the original holds the URL, and that may hold a password.
        message = "the database URL cannot be read; write sqlite:///path or postgresql://user@host/name"
        raise ValueError(message) from error
    backend = parsed.drivername.split("+", 1)[0]
    if backend in {POSTGRESQL, "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    if backend != SQLITE:
        message = f"database {backend!r} is not supported; use sqlite:///path or postgresql://user@host/name"
        raise ValueError(message)
    if parsed.database in _MEMORY:
        message = "SQLite needs a file; write sqlite:///path"
        raise ValueError(message)
    return parsed.set(drivername="sqlite+pysqlite")


def open_engine(url: str, *, writer: bool = False, timeout_s: float = 5.0, statement_timeout_s: float = 60.0) -> Engine:
    """Return an engine; nothing is connected yet.

    A writer's transactions start with BEGIN IMMEDIATE on SQLite, so that two writers wait for each other
    instead of failing at COMMIT; a reader cannot change anything. `timeout_s` bounds the wait for a lock and
    for a connection, `statement_timeout_s` one statement on PostgreSQL (0: no bound).

    Raises:
        ValueError: the URL is neither SQLite on disk nor PostgreSQL.
    """
    parsed = database_url(url)
    if parsed.get_backend_name() == SQLITE:
        return _sqlite_engine(parsed, writer=writer, timeout_s=timeout_s)
    return _postgresql_engine(parsed, writer=writer, timeout_s=timeout_s, statement_timeout_s=statement_timeout_s)


def _sqlite_engine(url: URL, *, writer: bool, timeout_s: float) -> Engine:
    path = Path(str(url.database))
    engine = create_engine(url, hide_parameters=True, paramstyle="named")

    def find(*_: Any) -> None:
        if writer:
            _create_private(path)
        elif not path.exists():
            message = f"there is no database at {path}; run `foreshock db upgrade`"
            raise SinkUnavailableError(message)

    def connect(connection: sqlite3.Connection, _record: Any) -> None:
        # Transactions are begun by `begin` below, not by the driver's guess at what a statement does.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {int(timeout_s * 1000)}")
        if writer:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        else:
            connection.execute("PRAGMA query_only = ON")

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    event.listen(engine, "do_connect", find)
    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)
    return engine


def _create_private(path: Path) -> None:
    """Make the file and its folder readable by the owner alone; the WAL takes over the file's mode."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _postgresql_engine(url: URL, *, writer: bool, timeout_s: float, statement_timeout_s: float) -> Engine:
    options = {
        "lock_timeout": int(timeout_s * 1000),
        "statement_timeout": int(statement_timeout_s * 1000),
        "default_transaction_read_only": "off" if writer else "on",
    }
    defaults: dict[str, Any] = {
        "connect_timeout": max(2, int(timeout_s)),
        "application_name": "foreshock",
        # A peer that vanished is noticed within this time, not after the kernel's quarter of an hour.
        "tcp_user_timeout": 15_000,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }
    arguments = {name: value for name, value in defaults.items() if name not in url.query}
    return create_engine(
        url,
        connect_args=arguments,
        pool_size=2,
        pool_timeout=timeout_s,
        max_overflow=0 if writer else 10,
        pool_pre_ping=not writer,
        hide_parameters=True,
    )
