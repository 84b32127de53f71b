"""All accounts together: where they stand, what changed, what is to be renewed, and the figures of the business."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, and_, func, or_, select, text

from pipeline.health.records import PUBLISH_DAYS
from schemas.topics import DAY_MS
from sinks.database import tables
from sinks.database.reading.cases import names_of
from sinks.database.reading.scope import GONE, Owners, seen

RENEWAL_DAYS = 90
_LISTED = 50
_BANDS = ("green", "yellow", "red", "grey")
_STANDINGS = text(
    "SELECT owner, segment, currency, value_tier, band, COUNT(*) AS accounts, COALESCE(SUM(arr_minor), 0) AS arr_minor "
    "FROM v_scorecards WHERE is_primary AND NOT shadow GROUP BY owner, segment, currency, value_tier, band"
)
# As v_portfolio_daily, of one scorecard and some days only: a day's change is what entered a band less what left one.
_DAILY = text("""
    WITH published AS (
        SELECT day, band, life, LEAD(day) OVER (PARTITION BY account_id ORDER BY day) AS next_day
        FROM health_history WHERE scorecard = :scorecard AND day > :first - :kept
    ), stood AS (
        SELECT day, CASE WHEN next_day <= day + :kept THEN next_day ELSE day + :kept + 1 END AS gone, band
        FROM published WHERE life IS NULL OR life NOT IN ('ended', 'test')
    )
    SELECT day, band, COUNT(*) AS accounts FROM stood GROUP BY day, band
    UNION ALL
    SELECT gone, band, -COUNT(*) FROM stood GROUP BY gone, band
""")
_FIGURES = ("period", "starts_on", "ends_on", "segment", "metric", "dimension", "value", "n", "low", "high", "currency")


@dataclass(frozen=True, slots=True)
class Standing:
    """Accounts of one owner, segment, currency, tier of value and band."""

    owner: str | None
    segment: str | None
    currency: str | None
    value_tier: str | None
    """high, middle or low in ARR among those of the currency; None without ARR."""
    band: str
    accounts: int
    arr_minor: int


@dataclass(frozen=True, slots=True)
class Bands:
    """How many accounts were in which band at the close of a day."""

    day: int
    green: int
    yellow: int
    red: int
    grey: int


@dataclass(frozen=True, slots=True)
class Moved:
    """An account whose band changed, or one that is to be renewed."""

    account_id: str
    owner: str | None
    segment: str | None
    band: str | None
    previous_band: str | None
    band_since_ms: int | None
    score: float | None
    arr_minor: int | None
    currency: str | None
    renewal_at_ms: int | None
    name: str | None = None
    """None where no case has told it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the business over one period."""

    period: str
    starts_on: str
    ends_on: str
    segment: str
    """Empty: of all accounts."""
    metric: str
    dimension: str
    value: float | None
    n: int
    low: float | None
    high: float | None
    currency: str | None


Quartiles = Mapping[tuple[str, str], tuple[float, float, float]]
"""Lower quartile, median and upper quartile by segment and dimension; the score is the dimension `score`."""


def standings(connection: Connection) -> list[Standing]:
    """Where all accounts stand; reads them all."""
    return [Standing(**row) for row in connection.execute(_STANDINGS).mappings()]


def daily(connection: Connection, first: int, last: int) -> list[Bands]:
    """Bands of all accounts by the scorecard that most have, day by day; reads their history of these days."""
    of = tables.accounts.c
    most = select(of.scorecard).where(of.scorecard.is_not(None)).group_by(of.scorecard).order_by(func.count().desc())
    scorecard = connection.scalar(most.limit(1))
    changed = {band: np.zeros(last - first + 1, dtype=np.int64) for band in _BANDS}
    asked = {"scorecard": scorecard, "first": first, "kept": PUBLISH_DAYS}
    for day, band, accounts in connection.execute(_DAILY, asked):
        if day <= last:
            changed[band][max(0, day - first)] += accounts
    counts = {band: np.cumsum(each).tolist() for band, each in changed.items()}
    found = (Bands(first + at, *(counts[band][at] for band in _BANDS)) for at in range(last - first + 1))
    return [each for each in found if each.green or each.yellow or each.red or each.grey]


def quartiles(connection: Connection) -> Quartiles:
    """What is usual in each segment, dimension by dimension, as of each account's last record; reads them all."""
    of, history = tables.accounts.c, tables.health_history.c
    same = and_(history.account_id == of.account_id, history.scorecard == of.scorecard, history.day == of.day)
    query = select(of.segment, history.score, history.dimension_values).join_from(
        tables.accounts, tables.health_history, same
    )
    values: dict[tuple[str, str], list[float]] = {}
    known = query.where(of.segment.is_not(None), or_(of.life.is_(None), of.life.not_in(GONE)))
    for segment, score, dimensions in connection.execution_options(stream_results=True).execute(known):
        for name, value in (json.loads(dimensions) | {"score": score}).items():
            if value is not None:
                values.setdefault((segment, name), []).append(value)
    return {key: tuple(map(float, np.quantile(each, (0.25, 0.5, 0.75)))) for key, each in values.items()}  # type: ignore[misc]


def changes(connection: Connection, last_close_ms: int, owners: Owners, *, days: int = 1) -> list[Moved]:
    """Accounts whose band changed at the last close, or in more days until then, the largest first."""
    of = tables.accounts.c
    moved = (of.band_since_ms >= last_close_ms - days * DAY_MS, of.previous_band != of.band)
    return _moved(connection, moved, owners, of.arr_minor.is_(None), of.arr_minor.desc())


def renewals(connection: Connection, last_close_ms: int, owners: Owners) -> list[Moved]:
    """Accounts to be renewed in the next `RENEWAL_DAYS` days, those in danger first."""
    of = tables.accounts.c
    soon = of.renewal_at_ms.between(last_close_ms, last_close_ms + RENEWAL_DAYS * DAY_MS)
    return _moved(connection, (soon,), owners, of.score.is_(None), of.score, of.renewal_at_ms)


def figures(connection: Connection, metrics: Sequence[str], *, months: int = 18) -> list[Figure]:
    """Figures of the business by month, of all accounts and of each segment, in order of time."""
    of = tables.portfolio_metrics.c
    starts = select(of.starts_on).where(of.metric.in_(metrics), of.period == "month").distinct()
    oldest = connection.scalars(starts.order_by(of.starts_on.desc()).limit(months)).all()
    query = select(*(of[name] for name in _FIGURES)).where(of.metric.in_(metrics), of.period == "month")
    query = query.where(of.starts_on >= min(oldest, default="")).order_by(of.metric, of.segment, of.starts_on)
    return [Figure(**row) for row in connection.execute(query).mappings()]


def _moved(connection: Connection, meant: Sequence[Any], owners: Owners, *order: Any) -> list[Moved]:
    of = tables.accounts.c
    living = or_(of.life.is_(None), of.life.not_in(GONE))
    query = select(*(of[name] for name in Moved.__dataclass_fields__ if name != "name")).where(
        *meant, living, seen(owners, of.owner)
    )
    found = connection.execute(query.order_by(*order, of.account_id).limit(_LISTED)).mappings().all()
    names = names_of(connection, [row["account_id"] for row in found])
    return [Moved(**row, name=names.get(row["account_id"])) for row in found]
