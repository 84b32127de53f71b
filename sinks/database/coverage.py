"""Reads how much is known of the accounts that are judged, by dimension. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, text

from sinks.database.engine import open_engine
from sinks.database.failures import failures_translated

Group = tuple[str, str]

_ACCOUNTS = text("SELECT COUNT(DISTINCT account_id) FROM v_scorecards WHERE NOT shadow")
_OF_CARDS = text("SELECT scorecard, COUNT(*) AS accounts FROM v_scorecards WHERE NOT shadow GROUP BY scorecard")
_OF_DIMENSIONS = text(
    "SELECT scorecard, dimension, COUNT(value), AVG(value) FROM v_dimensions "
    "WHERE NOT shadow GROUP BY scorecard, dimension"
)
_OF_SOME = text(
    "SELECT COUNT(DISTINCT account_id) FROM v_dimensions WHERE NOT shadow AND dimension IN :names"
).bindparams(bindparam("names", expanding=True))
_VALUES = text("SELECT * FROM v_dimensions ORDER BY account_id, scorecard, dimension")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts of accounts; those for tests and those that have ended are left out."""

    accounts: int
    cards: dict[str, int]
    known: dict[tuple[str, str], tuple[int, float | None]]
    """By scorecard and dimension: how many it is known of, and its mean."""
    groups: dict[Group, int]
    """Of how many something in a group of dimensions is known."""


def read_coverage(url: str, groups: Mapping[Group, Sequence[str]]) -> Coverage:
    """Count accounts by scorecard, by dimension and by group of dimensions.

    Raises:
        SinkUnavailableError: the database cannot be read.
    """
    with _reading(url) as connection:
        return Coverage(
            accounts=connection.scalar(_ACCOUNTS) or 0,
            cards={row.scorecard: row.accounts for row in connection.execute(_OF_CARDS)},
            known={(card, name): (count, mean) for card, name, count, mean in connection.execute(_OF_DIMENSIONS)},
            groups={each: connection.scalar(_OF_SOME, {"names": names}) or 0 for each, names in groups.items()},
        )


def read_values(url: str) -> Iterator[dict[str, Any]]:
    """Yield what each dimension says of each account, in order of accounts.

    Raises:
        SinkUnavailableError: the database cannot be read.
    """
    with _reading(url) as connection:
        for row in connection.execution_options(stream_results=True).execute(_VALUES).mappings():
            yield dict(row)


@contextmanager
def _reading(url: str) -> Iterator[Connection]:
    engine = open_engine(url)
    try:
        with failures_translated(engine), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
