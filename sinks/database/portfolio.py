"""Portfolio facts out of the database, and the figures made of them into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from sqlalchemy import and_, bindparam, delete, func, literal, not_, select

from pipeline.portfolio.facts import Events
from pipeline.portfolio.periods import month_after
from schemas.topics import DAY_MS
from sinks.database import tables
from sinks.database.engine import open_engine
from sinks.database.failures import failures_translated
from sinks.database.reading.cases import standing
from sinks.database.reading.rules import feedback_by_segment
from sinks.database.statements import insert_or_replace

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.portfolio.measure import Portfolio

_TYPES = {
    "event_id": pa.string(),
    "account_id": pa.string(),
    "type": pa.string(),
    "occurred_at": pa.int64(),
    "arrival": pa.int64(),
    "subscription_id": pa.string(),
    "mrr_minor_after": pa.int64(),
    "seats_after": pa.int64(),
    "currency": pa.string(),
    "score": pa.float64(),
    "scale": pa.float64(),
    "phase": pa.string(),
    "csat": pa.int64(),
    "due_at": pa.int64(),
    "ticket_id": pa.string(),
    "component": pa.string(),
}
_IDENTITY = ("event_id", "account_id", "type", "occurred_at", "arrival")
_COLUMNS = {
    "billing.events": (*_IDENTITY, "subscription_id", "mrr_minor_after", "seats_after", "currency", "due_at"),
    "ticket.events": (*_IDENTITY, "csat", "ticket_id", "component"),
    "customer.signals": (*_IDENTITY, "score", "scale", "phase"),
}


_WEEK_MS = 7 * DAY_MS
_REMOVED_AT_ONCE = 500
_PAUSE_S = 0.05


class Stamp(NamedTuple):
    """What tells whether the facts have changed."""

    facts: Mapping[tuple[str, int], int]
    """How many there are, by topic and week of event time."""
    as_of_ms: int
    """The later of the last fact and of the end of the last closed day; 0 without any."""


class PortfolioStore:
    """Reads facts, of which it remembers those that it has read, and replaces figures; for one thread.

    Args:
        url: SQLAlchemy URL of the database.
        timeout_s: longest wait for a lock or a connection.

    Raises:
        SinkUnavailableError: of every method: the database cannot be used now.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        # Reading takes no lock that a writer would have to wait for.
        self._reader = open_engine(url, timeout_s=timeout_s)
        self._writer = open_engine(url, writer=True, timeout_s=timeout_s)
        self._weeks: dict[tuple[str, int], pa.Table] = {}

    def close(self) -> None:
        """Close all connections."""
        self._reader.dispose()
        self._writer.dispose()

    def stamp(self) -> Stamp:
        """How much there is, and until when."""
        of, accounts = tables.portfolio_facts.c, tables.accounts.c
        # A literal, since a parameter would be another one in each place.
        week = of.occurred_at_ms // literal(_WEEK_MS, literal_execute=True)
        query = select(of.topic, week, func.count(), func.max(of.occurred_at_ms)).group_by(of.topic, week)
        with self._reading() as connection:
            found = connection.execute(query).all()
            closed_ms = connection.execute(select(func.max(accounts.as_of_ms))).scalar_one()
        facts = {(topic, number): count for topic, number, count, _ in found}
        return Stamp(facts, max([closed_ms or 0, *(last_ms for *_, last_ms in found)]))

    def events(self, stamp: Stamp) -> Events:
        """The facts in the columns of event files, in order of arrival, and the segments; none of accounts for tests.

        Only weeks in which there are more or fewer than before are read.
        """
        known = tables.accounts.c
        with self._reading() as connection:
            self._weeks = {
                week: remembered
                if (remembered := self._weeks.get(week)) is not None and remembered.num_rows == count
                else _read(connection, *week)
                for week, count in stamp.facts.items()
            }
            query = select(known.account_id, known.segment, known.life).order_by(known.account_id)
            found = connection.execute(query).all()
        tests = pa.array([row.account_id for row in found if row.life == "test"], pa.string())
        segments = pa.table(
            {"account_id": [row.account_id for row in found], "segment": [row.segment for row in found]},
            schema=pa.schema([("account_id", pa.string()), ("segment", pa.string())]),
        )
        billing, tickets, signals = (self._of_topic(topic) for topic in _COLUMNS)
        return Events(billing, tickets, signals, segments).without(tests)

    def bands(self) -> dict[str, str]:
        """Band of each account that is judged, as of its last closed day."""
        known = tables.accounts.c
        judged = func.coalesce(known.life, "").not_in(("ended", "test"))
        query = select(known.account_id, known.band).where(known.band.is_not(None), judged)
        with self._reading() as connection:
            return {row.account_id: row.band for row in connection.execute(query)}

    def feedback(self) -> dict[tuple[str, str | None], dict[str, int]]:
        """How often people gave each verdict on alerts, by kind and segment; None: all accounts."""
        with self._reading() as connection:
            return feedback_by_segment(connection)

    def open_cases(self) -> dict[tuple[str, str], int]:
        """How many cases are not closed, by severity and status."""
        with self._reading() as connection:
            return standing(connection)

    def next_month(self) -> int | None:
        """First day of the month after the last one that has figures."""
        figures = tables.portfolio_metrics.c
        query = select(func.max(figures.starts_on)).where(figures.period == "month")
        with self._reading() as connection:
            last = connection.execute(query).scalar_one()
        return None if last is None else month_after(last)

    def replace(self, portfolio: Portfolio, as_of_ms: int, first_day: int) -> None:
        """Let these figures be all that there are of months from a day on and of trailing windows."""
        of, first = tables.portfolio_metrics.c, (date(1970, 1, 1) + timedelta(days=first_day)).isoformat()
        old = and_(of.period == "month", of.starts_on < first)
        rows = [
            _row(asdict(figure), portfolio.currency, as_of_ms)
            for figure in portfolio.figures
            if figure.period != "month" or figure.starts_on >= first
        ]
        with failures_translated(self._writer), self._writer.begin() as connection:
            connection.execute(delete(tables.portfolio_metrics).where(not_(old)))
            if rows:
                # Another delivery may be writing the same figures.
                connection.exec_driver_sql(insert_or_replace(self._writer.dialect, tables.portfolio_metrics), rows)

    def remove(self, topic: str, facts: pa.Table, stopped: Callable[[float], bool]) -> None:
        """Remove facts by `account_id` and `event_id`, few at a time; `stopped` waits in between and may end it."""
        of = tables.portfolio_facts.c
        named = (of.topic == topic, of.account_id == bindparam("account"), of.event_id == bindparam("event"))
        keys = [{"account": row["account_id"], "event": row["event_id"]} for row in facts.to_pylist()]
        keys.sort(key=lambda key: (key["account"], key["event"]))
        for start in range(0, len(keys), _REMOVED_AT_ONCE):
            if stopped(_PAUSE_S):
                return
            with failures_translated(self._writer), self._writer.begin() as connection:
                connection.execute(delete(tables.portfolio_facts).where(*named), keys[start : start + _REMOVED_AT_ONCE])

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with failures_translated(self._reader), self._reader.connect() as connection:
            yield connection

    def _of_topic(self, topic: str) -> pa.Table:
        none = _empty(topic)
        facts = pa.concat_tables([none, *(week for (of, _), week in self._weeks.items() if of == topic)])
        return facts.sort_by([("arrival", "ascending"), ("account_id", "ascending")]).drop_columns("arrival")


def _read(connection: Connection, topic: str, week: int) -> pa.Table:
    of = tables.portfolio_facts.c
    schema = _empty(topic).schema
    columns = [of[f"{name}_ms" if name.endswith("_at") else name].label(name) for name in schema.names]
    at = of.occurred_at_ms
    query = select(*columns).where(of.topic == topic, at >= week * _WEEK_MS, at < (week + 1) * _WEEK_MS)
    rows = connection.execute(query).all()
    values = zip(*rows, strict=True) if rows else ([] for _ in schema)
    return pa.table([pa.array(column, field.type) for field, column in zip(schema, values, strict=True)], schema=schema)


def _empty(topic: str) -> pa.Table:
    return pa.schema([(name, _TYPES[name]) for name in _COLUMNS[topic]]).empty_table()


def _row(figure: dict[str, Any], currency: str | None, as_of_ms: int) -> dict[str, Any]:
    money = currency if "mrr" in figure["metric"] or figure["metric"].endswith("_minor") else None
    named = {name: figure[name] or "" for name in ("segment", "dimension")}
    return {**figure, **named, "currency": money, "as_of_ms": as_of_ms}
