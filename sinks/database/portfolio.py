"""Portfolio facts out of the database, and the figures made of them into it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from sqlalchemy import Table, delete, func, select

from pipeline.portfolio.facts import Events
from sinks.database import tables
from sinks.database.engine import open_engine
from sinks.database.failures import failures_translated
from sinks.database.statements import insert_or_replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from pipeline.portfolio.measure import Portfolio

_TYPES = {
    "event_id": pa.string(),
    "account_id": pa.string(),
    "type": pa.string(),
    "occurred_at": pa.int64(),
    "subscription_id": pa.string(),
    "mrr_minor_after": pa.int64(),
    "seats_after": pa.int64(),
    "currency": pa.string(),
    "score": pa.float64(),
    "scale": pa.float64(),
    "phase": pa.string(),
    "csat": pa.int64(),
}
_IDENTITY = ("event_id", "account_id", "type", "occurred_at")
_COLUMNS = {
    "billing.events": (*_IDENTITY, "subscription_id", "mrr_minor_after", "seats_after", "currency"),
    "ticket.events": (*_IDENTITY, "csat"),
    "customer.signals": (*_IDENTITY, "score", "scale", "phase"),
}


class Stamp(NamedTuple):
    """What tells whether the facts have changed."""

    facts: int
    as_of_ms: int
    """The later of the last fact and of the end of the last closed day; 0 without any."""


class PortfolioStore:
    """Reads facts and replaces figures; for one thread.

    Args:
        url: SQLAlchemy URL of the database.
        timeout_s: longest wait for a lock or a connection.

    Raises:
        SinkUnavailableError: of every method: the database cannot be used now.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self._engine = open_engine(url, writer=True, timeout_s=timeout_s)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def stamp(self) -> Stamp:
        """How much there is, and until when."""
        facts, accounts = tables.portfolio_facts, tables.accounts
        with failures_translated(self._engine), self._engine.connect() as connection:
            count, last_ms = connection.execute(select(func.count(), func.max(facts.c.occurred_at_ms))).one()
            closed_ms = connection.execute(select(func.max(accounts.c.as_of_ms))).scalar_one()
        return Stamp(count, max(last_ms or 0, closed_ms or 0))

    def events(self) -> Events:
        """Every fact in the columns of event files, in order of arrival, and the segments of the accounts."""
        with failures_translated(self._engine), self._engine.connect() as connection:
            billing, tickets, signals = (_table(connection, topic) for topic in _COLUMNS)
            known = tables.accounts
            found = connection.execute(select(known.c.account_id, known.c.segment).order_by(known.c.account_id)).all()
        segments = pa.table(
            {"account_id": [row.account_id for row in found], "segment": [row.segment for row in found]},
            schema=pa.schema([("account_id", pa.string()), ("segment", pa.string())]),
        )
        return Events(billing, tickets, signals, segments)

    def bands(self) -> dict[str, str]:
        """Band of each account as of its last closed day."""
        known = tables.accounts
        query = select(known.c.account_id, known.c.band).where(known.c.band.is_not(None))
        with failures_translated(self._engine), self._engine.connect() as connection:
            return {row.account_id: row.band for row in connection.execute(query)}

    def replace(self, portfolio: Portfolio, as_of_ms: int) -> None:
        """Let these figures be all that there are; the same again changes nothing."""
        rows = [_row(asdict(figure), portfolio.currency, as_of_ms) for figure in portfolio.figures]
        with failures_translated(self._engine), self._engine.begin() as connection:
            connection.execute(delete(tables.portfolio_metrics))
            if rows:
                # Another delivery may be writing the same figures.
                connection.exec_driver_sql(insert_or_replace(self._engine.dialect, tables.portfolio_metrics), rows)


def _table(connection: Connection, topic: str) -> pa.Table:
    facts: Table = tables.portfolio_facts
    names = _COLUMNS[topic]
    columns = [facts.c["occurred_at_ms" if name == "occurred_at" else name].label(name) for name in names]
    query = select(*columns).where(facts.c.topic == topic).order_by(facts.c.arrival, facts.c.account_id)
    rows: Sequence[Any] = connection.execute(query).all()
    values = zip(*rows, strict=True) if rows else ([] for _ in names)
    arrays = [pa.array(list(column), _TYPES[name]) for name, column in zip(names, values, strict=True)]
    return pa.table(arrays, names=list(names))


def _row(figure: dict[str, Any], currency: str | None, as_of_ms: int) -> dict[str, Any]:
    money = currency if "mrr" in figure["metric"] or figure["metric"].endswith("_minor") else None
    named = {name: figure[name] or "" for name in ("segment", "dimension")}
    return {**figure, **named, "currency": money, "as_of_ms": as_of_ms}
