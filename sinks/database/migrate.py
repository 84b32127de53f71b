"""Bring a database to the newest schema, or say how far it is from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from sinks.database.engine import POSTGRESQL, open_engine
from sinks.database.failures import failures_translated

_SCRIPTS = Path(__file__).resolve().parent / "migrations"
# Any number will do as long as nothing else in this database takes the same advisory lock.
_LOCK = 7_305_126_114


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """The revision that a database has and the one that this release needs; None: no schema at all."""

    current: str | None
    newest: str

    @property
    def up_to_date(self) -> bool:
        """Say whether nothing has to be done."""
        return self.current == self.newest


def upgrade(url: str) -> SchemaVersion:
    """Apply all migrations that the database does not have yet; two at the same time wait for each other.

    Raises:
        SinkUnavailableError: the database cannot be reached.
    """
    engine = open_engine(url, writer=True, timeout_s=30.0, statement_timeout_s=0)
    try:
        with failures_translated(engine), engine.begin() as connection:
            if engine.dialect.name == POSTGRESQL:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            configuration = _configuration()
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
            return _version(connection)
    finally:
        engine.dispose()


def check(url: str) -> SchemaVersion:
    """Return what the database has and needs; changes nothing in it; raises SinkUnavailableError."""
    engine = open_engine(url)
    try:
        with failures_translated(engine), engine.connect() as connection:
            return _version(connection)
    finally:
        engine.dispose()


def _version(connection: Connection) -> SchemaVersion:
    newest = ScriptDirectory.from_config(_configuration()).get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    return SchemaVersion(current=current, newest=str(newest))


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    return configuration
