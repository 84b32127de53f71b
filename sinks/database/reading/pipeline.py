"""How far the deliveries are: what the database can tell of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from sinks.database import tables


@dataclass(frozen=True, slots=True)
class Position:
    """The next record of a partition that the database takes."""

    cluster: str
    topic: str
    partition: int
    next_offset: int


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


def pipeline(connection: Connection) -> Pipeline:
    """Positions of all topics, days closed, and what became of commands."""
    of, known, commands = tables.sink_positions.c, tables.accounts.c, tables.alert_commands.c
    columns = (of.cluster, of.topic, of.partition, of.next_offset)
    positions = connection.execute(select(*columns).order_by(of.topic, of.partition)).all()
    closed = connection.execute(select(func.max(known.day), func.max(known.as_of_ms), func.count())).one()
    answers = select(commands.result, func.count()).group_by(commands.result)
    results: dict[str | None, int] = dict(connection.execute(answers).tuples().all())
    return Pipeline(
        positions=tuple(Position(*row) for row in positions),
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
