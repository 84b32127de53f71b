"""Feeds that do not come day by day, and levels that wander: false alarms of those who stay, and who leaves is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
import pyarrow as pa

from agents.backtest.run import replay, told
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.scoring.detection import WEEKS_PER_QUARTER
from pipeline.simulate import SimulatedStream
from pipeline.simulate.tables import BILLING, LABELS, PROFILES, SIGNALS, TICKETS, USAGE, table_of
from pipeline.terms.arrays import F64, I64
from schemas.topics import DAY_MS
from tests.evaluation.budgets import SEEN_AT_MS, is_fact, is_lead
from tests.evaluation.draws import FIRST_DAY, counts, levels
from tests.evaluation.task import Size, Task

DAYS, LEARNT_DAYS = 700, 280
"""Of a stream, and before anybody leaves and before false alarms count."""
VOLUME, DISPERSION, USERS = 3.0, 2.0, 4
HORIZON_DAYS = 120
"""Within which somebody who left is found."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a feed comes."""

    name: str
    delivers: Callable[[I64], I64]
    """The day on which what happened on a day is delivered."""
    wander: float = 0.0
    """Standard deviation of a week's change of the logarithm of an account's level."""
    volume: float = VOLUME


@dataclass(frozen=True, slots=True)
class Feed:
    """What was told of one."""

    shape: str
    got: float
    """False alarms of statistical kinds, of an account that stays and a quarter."""
    by_kind: Mapping[str, float]
    left: int
    found: int
    median_days: float | None
    """Of those found, from the last delivery on."""


def _sundays(days: I64) -> I64:
    return days + (6 - (days + 3) % 7)


def _firsts(days: I64) -> I64:
    months = days.astype("datetime64[D]").astype("datetime64[M]") + 1
    return months.astype("datetime64[D]").astype(np.int64)


SHAPES = (
    Shape("day by day", lambda days: days),
    Shape("on Sundays", _sundays),
    Shape("on the first of a month", _firsts),
    Shape("day by day, levels that wander by .1 a week", lambda days: days, 0.1, 30.0),
    Shape("day by day, levels that wander by .2 a week", lambda days: days, 0.2, 30.0),
    Shape("day by day, much used", lambda days: days, 0.0, 30.0),
)


def tasks(size: Size) -> list[Task]:
    """Every shape."""
    return [Task(f"feed {shape.name}", partial(measure, shape, size.seed, size.stream_accounts)) for shape in SHAPES]


def measure(shape: Shape, seed: int, accounts: int, days: int = DAYS) -> Iterator[Feed]:
    """A stream of such a feed; a third of its accounts leave."""
    rng = np.random.default_rng((seed, 9))
    ends = np.where(np.arange(accounts) % 3 == 0, rng.integers(LEARNT_DAYS, days - HORIZON_DAYS, accounts), days)
    stream = _stream(shape, ends, days, rng)
    alerts = [
        alert
        for alert in told(replay(EventFiles.of(stream), EngineConfig(), seen_at_ms=SEEN_AT_MS).alerts)
        if is_lead(alert) and not is_fact(alert["kind"])
    ]
    last = {
        account_id: int(day) for account_id, day in zip(*_last_delivery(stream), strict=True)
    }
    stay = {_name(number) for number in np.flatnonzero(ends == days)}
    false = [
        alert for alert in alerts
        if alert["account_id"] in stay and alert["detected_at"] >= (FIRST_DAY + LEARNT_DAYS) * DAY_MS
    ]
    quarters = len(stay) * (days - LEARNT_DAYS) / 7.0 / WEEKS_PER_QUARTER
    delays = []
    for number in np.flatnonzero(ends < days).tolist():
        name = _name(number)
        after = [
            alert["detected_at"] / DAY_MS - last[name] - 1 for alert in alerts
            if alert["account_id"] == name and alert["family"] == "risk"
        ]
        delays.append(min((day for day in after if 0 < day <= HORIZON_DAYS), default=None))
    found = [day for day in delays if day is not None]
    yield Feed(
        shape.name,
        len(false) / quarters,
        {kind: count / quarters for kind, count in Counter(alert["kind"] for alert in false).most_common()},
        len(delays),
        len(found),
        median(found) if found else None,
    )


def _name(number: int) -> str:
    return f"account-{number:04d}"


def _stream(shape: Shape, ends: I64, days: int, rng: np.random.Generator) -> SimulatedStream:
    accounts = len(ends)
    kept: F64 = np.exp(np.cumsum(rng.normal(0.0, shape.wander / np.sqrt(7.0), (days, accounts)), axis=0))
    drawn = counts(levels(shape.volume, accounts, rng), DISPERSION, days, rng, kept)
    drawn[np.arange(days)[:, None] >= ends] = 0
    day, account = np.nonzero(drawn)
    # Some of the day's people, each with a part of it.
    user = rng.integers(0, USERS, (len(day), 3))
    day, account, part = (np.repeat(column, 3) for column in (day, account, drawn[day, account] / 3.0))
    delivered = shape.delivers(FIRST_DAY + day)
    key = (delivered * accounts + account) * USERS + user.ravel()
    keys, place = np.unique(key, return_inverse=True)
    quantity = np.bincount(place, weights=part)
    keep = keys // (accounts * USERS) < FIRST_DAY + days
    keys, quantity = keys[keep], quantity[keep]
    rows = len(keys)
    usage = {
        "event_id": pa.array([f"u{row}" for row in range(rows)]),
        "account_id": pa.array([_name(each) for each in (keys // USERS % accounts).tolist()]),
        "user_id": pa.array([f"user-{each}" for each in (keys % USERS).tolist()]),
        "occurred_at": pa.array(keys // (accounts * USERS) * DAY_MS + 6 * 3_600_000),
        "action": pa.array(["use"] * rows),
        "feature": pa.array(["product"] * rows),
        "quantity": pa.array(np.round(quantity, 3)),
    }
    profiles = {
        "account_id": pa.array([_name(each) for each in range(accounts)]),
        "updated_at": pa.array(np.full(accounts, FIRST_DAY * DAY_MS)),
    }
    return SimulatedStream(
        table_of({name: column for name, column in usage.items() if name in USAGE.names}, USAGE, rows),
        table_of({}, BILLING, 0),
        table_of({}, TICKETS, 0),
        table_of({}, SIGNALS, 0),
        table_of(profiles, PROFILES, accounts),
        table_of({}, LABELS, 0),
    )


def _last_delivery(stream: SimulatedStream) -> tuple[list[str], list[int]]:
    last = stream.usage.group_by("account_id").aggregate([("occurred_at", "max")])
    return last["account_id"].to_pylist(), [at // DAY_MS for at in last["occurred_at_max"].to_pylist()]
