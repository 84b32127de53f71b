"""Feeds that come in bulk, and levels that wander: false alarms of those who stay, and how those are found who leave or
do less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from statistics import median

import numpy as np
import pyarrow as pa

from agents.backtest.run import Alert, replay, told
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.scoring.detection import WEEKS_PER_QUARTER
from pipeline.simulate import SimulatedStream
from pipeline.simulate.tables import BILLING, LABELS, PROFILES, SIGNALS, TICKETS, USAGE, arrow_schema, table_of
from pipeline.terms.arrays import F64, I64
from schemas.topics import DAY_MS
from tests.evaluation.budgets import SEEN_AT_MS, is_fact, is_lead
from tests.evaluation.draws import FIRST_DAY, counts, levels
from tests.evaluation.task import Size, Task

DAYS, LEARNT_DAYS = 700, 280
"""Of a stream, and before anybody leaves and before false alarms count."""
DISPERSION, USERS = 2.0, 4
HORIZON_DAYS, FALL_DAYS = 120, 28
"""Within which somebody who left is found, and who does less."""
LEFT = 0.4
"""Of what those did."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a feed comes."""

    name: str
    delivers: Callable[[I64], I64]
    """The day on which what happened on a day is delivered."""
    most_days: float
    """Within which half of those who leave must be found, from their last delivery on."""
    wander: float = 0.0
    """Standard deviation of a week's change of the logarithm of an account's level."""
    volume: float = 3.0
    """Mean actions a day."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What was told of one."""

    shape: str
    got: float
    """False alarms of statistical kinds, of an account that stays and a quarter."""
    by_kind: Mapping[str, float]
    left: int
    left_found: int
    left_days: float | None
    """Median of those found, from the last delivery on."""
    fell: int
    """Accounts that do 60 % less from a day on."""
    fell_found: int
    """Within four weeks."""


def _sundays(days: I64) -> I64:
    return days + (6 - (days + 3) % 7)


def _firsts(days: I64) -> I64:
    months = days.astype("datetime64[D]").astype("datetime64[M]") + 1
    return months.astype("datetime64[D]").astype(np.int64)


def _daily(days: I64) -> I64:
    return days


SHAPES = (
    Shape("day by day", _daily, 14.0),
    Shape("all of a week on Sunday", _sundays, 21.0),
    Shape("all of a month on the first of the next", _firsts, 64.0),
    Shape("day by day, much used", _daily, 14.0, volume=30.0),
    Shape("day by day, much used, levels that wander by .1 a week", _daily, 14.0, 0.1, 30.0),
    Shape("day by day, much used, levels that wander by .2 a week", _daily, 14.0, 0.2, 30.0),
)


def tasks(size: Size) -> list[Task]:
    """Every shape."""
    return [Task(f"feed: {shape.name}", partial(measure, shape, size.seed, size.stream_accounts)) for shape in SHAPES]


def measure(shape: Shape, seed: int, accounts: int, days: int = DAYS) -> Iterator[Feed]:
    """A stream of such a feed; of its accounts a quarter leaves, a quarter does less from a day on."""
    rng = np.random.default_rng((seed, 9))
    change, number = rng.integers(LEARNT_DAYS, days - HORIZON_DAYS, accounts), np.arange(accounts)
    leaves, falls = number % 4 == 0, number % 4 == 1
    changed = np.arange(days)[:, None] >= change
    stream = _stream(shape, np.where(changed & leaves, 0.0, np.where(changed & falls, LEFT, 1.0)), rng)
    alerts = [
        alert
        for alert in told(replay(EventFiles.of(stream), EngineConfig(), seen_at_ms=SEEN_AT_MS).alerts)
        if is_lead(alert) and not is_fact(alert["kind"])
    ]
    first_ms = (FIRST_DAY + LEARNT_DAYS) * DAY_MS
    stay = {_name(each) for each in np.flatnonzero(~leaves & ~falls).tolist()}
    false = Counter(
        alert["kind"] for alert in alerts if alert["account_id"] in stay and alert["detected_at"] >= first_ms
    )
    quarters = len(stay) * (days - LEARNT_DAYS) / 7.0 / WEEKS_PER_QUARTER
    last = _last_deliveries(stream)
    left = [_days_until(alerts, _name(each), last[_name(each)]) for each in np.flatnonzero(leaves).tolist()]
    fell = [_days_until(alerts, _name(each), FIRST_DAY + change[each] - 1) for each in np.flatnonzero(falls).tolist()]
    found = [day for day in left if day <= HORIZON_DAYS]
    yield Feed(
        shape.name,
        false.total() / quarters,
        {kind: count / quarters for kind, count in false.most_common()},
        len(left),
        len(found),
        median(found) if found else None,
        len(fell),
        sum(bool(day <= FALL_DAYS) for day in fell),
    )


def _days_until(alerts: Sequence[Alert], account_id: str, day: int) -> float:
    """Days from the end of a day until the account's next risk; infinite without any."""
    after = (
        alert["detected_at"] / DAY_MS - day - 1
        for alert in alerts
        if alert["account_id"] == account_id and alert["family"] == "risk"
    )
    return min((days for days in after if days > 0), default=inf)


def _name(number: int) -> str:
    return f"account-{number:04d}"


def _stream(shape: Shape, kept: F64, rng: np.random.Generator) -> SimulatedStream:
    """`kept`: what is left of the level, by day and account."""
    days, accounts = kept.shape
    wandered = np.exp(np.cumsum(rng.normal(0.0, shape.wander / np.sqrt(7.0), kept.shape), axis=0))
    drawn = counts(levels(shape.volume, accounts, rng), DISPERSION, days, rng, kept * wandered)
    day, account = np.nonzero(drawn)
    # Some of the day's people, each with a part of it.
    user = rng.integers(0, USERS, (len(day), 3))
    part = np.repeat(drawn[day, account] / 3.0, 3)
    day, account = np.repeat(day, 3), np.repeat(account, 3)
    delivered = shape.delivers(FIRST_DAY + day)
    key = (delivered * accounts + account) * USERS + user.ravel()
    seen = delivered < FIRST_DAY + days
    keys, place = np.unique(key[seen], return_inverse=True)
    quantity = np.bincount(place, weights=part[seen])
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
        arrow_schema("alert_command").empty_table(),
        table_of({}, LABELS, 0),
    )


def _last_deliveries(stream: SimulatedStream) -> dict[str, int]:
    """The last day with an event of each account."""
    last = stream.usage.group_by("account_id").aggregate([("occurred_at", "max")]).to_pylist()
    return {row["account_id"]: row["occurred_at_max"] // DAY_MS for row in last}
