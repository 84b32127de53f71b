"""The database as the web shell uses it: read by everybody; users and the audit log are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from agents.web.people import Person
from sinks.database.engine import open_engine
from sinks.database.failures import failures_translated
from sinks.database.people import write_audit


class Store:
    """Connections of this process; nothing is connected before the first use.

    Raises, on use:
        SinkUnavailableError: the database cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self._reader = open_engine(url)
        self._writer = open_engine(url, writer=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that can change nothing."""
        with failures_translated(self._reader), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction."""
        with failures_translated(self._writer), self._writer.begin() as connection:
            yield connection

    def audit(self, person: Person, action: str, what: str, result: str) -> None:
        """Add a line to the audit log."""
        with self.writing() as connection:
            write_audit(connection, person.name, action, what, result, person.address)

    def close(self) -> None:
        """Close all connections."""
        self._reader.dispose()
        self._writer.dispose()
