"""The database's section of the settings, and the sink that it describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field, SecretStr
from sqlalchemy import make_url

from sinks.database.engine import database_url
from sinks.section import Conflict, Section, revealed

if TYPE_CHECKING:
    from sinks.database.sink import DatabaseSink
    from sinks.delivery import Deployment


class Database(Section):
    """Where alerts and health are stored for people."""

    url: str = Field(
        "sqlite:///foreshock.db",
        description="sqlite:///PATH or postgresql://user@host/name; the password belongs to `password`.",
    )
    password: SecretStr | None = Field(None, description="Password of the user in the URL.")
    portfolio_months: int = Field(
        24,
        ge=1,
        le=600,
        description="Months whose portfolio figures late events still correct; facts are kept half a year longer.",
    )

    def conflicts(self) -> Iterator[Conflict]:
        """The URL cannot be used, or there are two passwords."""
        try:
            database_url(self.url)
        except ValueError as error:
            yield "url", str(error)
            return
        if make_url(self.url).password is not None and self.password is not None:
            yield "url", "holds a password although database.password is set; remove it from the URL"

    def full_url(self) -> str:
        """The URL with its password: for the driver, never for people."""
        password = revealed(self.password)
        if password is None:
            return self.url
        return make_url(self.url).set(password=password).render_as_string(hide_password=False)


def open_database(section: Database, deployment: Deployment) -> DatabaseSink:
    """The sink of a deployment; nothing is connected yet."""
    # Not for those who only ask for the settings: it loads the drivers.
    from sinks.database.sink import DatabaseSink

    def in_transaction() -> None:
        deployment.failpoint("sink_in_txn")

    return DatabaseSink(
        section.full_url(), cluster=deployment.group, routing=deployment.routing, before_commit=in_transaction
    )
