"""How far the deliveries are: what the database can tell of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from sinks.database import tables


@dataclass(frozen=True, slots=True)
class Position:
    """How far the database is in a topic: its partitions' next offsets."""

    topic: str
    next_offsets: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What has arrived in the database."""

    positions: tuple[Position, ...]
    last_closed_day: int | None
    as_of_ms: int | None
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
    closed = connection.execute(select(func.max(known.day), func.max(known.as_of_ms), func.count())).one()
    answers = select(commands.result, func.count()).group_by(commands.result)
    results: dict[str | None, int] = dict(connection.execute(answers).all())
    return Pipeline(
        positions=tuple(Position(*each) for each in taken.items()),
        last_closed_day=closed[0],
        as_of_ms=closed[1],
        accounts=closed[2],
        refused=results.get("refused", 0),
        waiting=results.get(None, 0),
    )


def arrived(connection: Connection) -> dict[str, int]:
    """Records taken so far by topic: what tells whether anything changed."""
    of = tables.sink_positions.c
    summed = select(of.topic, func.sum(of.next_offset)).group_by(of.topic)
    return {topic: int(number) for topic, number in connection.execute(summed)}
