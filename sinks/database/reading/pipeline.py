"""How far the deliveries are: what the database can tell of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from sinks.database import tables
from sinks.database.reading.scope import last_close_ms


@dataclass(frozen=True, slots=True)
class Position:
    """How far the database is in a topic: its partitions' next offsets."""

    topic: str
    next_offsets: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What has arrived in the database."""

    positions: tuple[Position, ...]
    as_of_ms: int | None
    """End of the last closed day."""
    accounts: int
    refused: int
    """Commands that could not be applied."""
    waiting: int
    """Commands of which nothing was said yet."""


def pipeline(connection: Connection, cluster: str) -> Pipeline:
    """Positions in the topics of a cluster, days closed, and what became of commands."""
    of, known, commands = tables.sink_positions.c, tables.accounts.c, tables.alert_commands.c
    taken: dict[str, dict[int, int]] = {}
    for row in connection.execute(
        select(tables.sink_positions).where(of.cluster == cluster).order_by(of.topic, of.partition)
    ):
        taken.setdefault(row.topic, {})[row.partition] = row.next_offset
    as_of_ms = last_close_ms(connection) or None
    answers = select(commands.result, func.count()).group_by(commands.result)
    results: dict[str | None, int] = dict(connection.execute(answers).all())
    return Pipeline(
        positions=tuple(Position(*each) for each in taken.items()),
        as_of_ms=as_of_ms,
        accounts=connection.scalar(select(func.count(known.account_id))) or 0,
        refused=results.get("refused", 0),
        waiting=results.get(None, 0),
    )


def arrived(connection: Connection) -> dict[str, int]:
    """Records taken so far by topic: what tells whether anything changed."""
    of = tables.sink_positions.c
    summed = select(of.topic, func.sum(of.next_offset)).group_by(of.topic)
    return {topic: int(number) for topic, number in connection.execute(summed)}
