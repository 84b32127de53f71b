"""Feeds whose accounts have a full history: what memory, closing, checkpoints and recovery are measured on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from agents.replay.arrivals import every
from agents.replay.plan import plan, to_batches
from pipeline.close.day import close_day
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.state.members import RING_DAYS, Members, mark_day
from pipeline.state.panes import RING
from pipeline.terms.arrays import U64
from pipeline.terms.days import weekday
from pipeline.terms.records import Outcome
from schemas.codec.batch import Batch
from schemas.topics import DAY_MS, INPUT_TOPICS
from tests.benchmarks.batches import cut
from tests.benchmarks.workload import FIRST_DAY_MS, Workload

_OPEN_DAY = FIRST_DAY_MS // DAY_MS + 1
"""The day that is open once the first events are applied."""
_SEEN_MS = FIRST_DAY_MS + 30 * DAY_MS
_ACTIVE_SHARE = 0.625
"""Chance that a user or a feature is active on a day."""
_AT_ONCE = 100_000
"""Accounts whose events are made together."""
_MEAN_ACTIONS = 20
"""Of an account on a day."""
_ACTION_DS = 300


def populated(
    accounts: int, users: int = 20, partitions: int = 1, seed: int = 5, *, settled: bool = True
) -> list[Feed]:
    """Feeds of so many accounts in all, each with so many users, 84 days of history and a profile.

    One event for each user goes the normal way, so that everything has its real size; the history behind it is
    drawn into the columns. `settled` closes one day more, which publishes every account's first judgement.
    """
    feeds = [Feed(EngineConfig(), number) for number in range(partitions)]
    for first in range(0, accounts, _AT_ONCE):
        workload = Workload(
            min(_AT_ONCE, accounts - first), users, usage_events=2, days=1, seed=seed + first,
            first_account=first, everyone_first=True, roles=True,
        )  # fmt: skip
        offsets = [[feed.next_offset(topic) for topic in INPUT_TOPICS] for feed in feeds]
        for partition, batch in _first_events(workload, partitions, is_last=first + _AT_ONCE >= accounts):
            begin = offsets[partition][INPUT_TOPICS.index(batch.topic)]
            feeds[partition].push(moved(batch, begin))
    rng = np.random.default_rng(seed)
    for feed in feeds:
        _draw_history(feed, rng)
        if settled:
            draw_open_day(feed, rng)
            close_day(feed.state, Outcome())
    return feeds


def _first_events(workload: Workload, partitions: int, *, is_last: bool) -> Iterator[tuple[int, Batch]]:
    """The events of the first day; the last ones end it."""
    files = workload.make()
    files = replace(files, usage=files.usage.slice(0, workload.first_events))
    day_end_ms = FIRST_DAY_MS + DAY_MS + EngineConfig().out_of_orderness_ms
    for step in plan(files, partitions, every(DAY_MS), final_tick_ms=day_end_ms if is_last else FIRST_DAY_MS):
        for rows, batch in zip(step.rows, to_batches(step, _SEEN_MS), strict=True):
            for part in cut(batch):
                yield rows.partition, part


def moved(batch: Batch, by: int) -> Batch:
    """The batch at other offsets."""
    return replace(batch, begin=batch.begin + by, end=batch.end + by, offsets=batch.offsets + by)


def _draw_history(feed: Feed, rng: np.random.Generator) -> None:
    """Fill the day panes and active days behind the open day, for one partition."""
    accounts = feed.state.accounts
    rows = slice(1, accounts.size)
    weekly = np.array([1.2, 1.1, 1.0, 1.1, 1.0, 0.3, 0.2])
    level = rng.gamma(2.0, _MEAN_ACTIONS / 2.0, accounts.size - 1)
    for day in range(_OPEN_DAY - RING + 3, _OPEN_DAY):
        actions = rng.poisson(level * weekly[weekday(day)])
        accounts.panes["actions"][day % RING, rows] = actions * 1000
        accounts.panes["duration_ds"][day % RING, rows] = actions * _ACTION_DS
        _draw_members(feed, day, rng)
    accounts.bits[rows] |= _days(rng, accounts.size - 1, 0.875)
    accounts.first_day[rows] = accounts.first_usage_day[rows] = _OPEN_DAY - 120
    for members in (feed.state.users, feed.state.features):
        _draw_days(members, rng)
    accounts.dirty[rows] = True


def _draw_members(feed: Feed, day: int, rng: np.random.Generator) -> None:
    """Numbers of active users and features of a day."""
    accounts = feed.state.accounts
    for pane, members in (("active_users", feed.state.users), ("active_features", feed.state.features)):
        each = round((members.size - 1) / max(1, len(accounts)))
        accounts.panes[pane][day % RING, 1 : accounts.size] = rng.binomial(each, _ACTIVE_SHARE, len(accounts))


def draw_open_day(feed: Feed, rng: np.random.Generator) -> None:
    """Give the open day the activity of an ordinary one, as if its events had been applied."""
    accounts, day = feed.state.accounts, feed.open_day
    rows = slice(1, accounts.size)
    before = [accounts.panes["actions"][(day - 7 * week) % RING, rows] for week in range(1, 5)]
    actions = rng.poisson(np.mean(before, axis=0) / 1000)
    accounts.panes["actions"][day % RING, rows] = actions * 1000
    accounts.panes["duration_ds"][day % RING, rows] = actions * _ACTION_DS
    _draw_members(feed, day, rng)
    mark_day(accounts.bits, 1 + np.flatnonzero(actions), day)
    for members in (feed.state.users, feed.state.features):
        active = np.flatnonzero(rng.random(members.size - 1) < _ACTIVE_SHARE)
        mark_day(members.bits, 1 + active, day)
        members.last_day[1 + active] = day


def _draw_days(members: Members, rng: np.random.Generator) -> None:
    used = slice(1, members.size)
    members.bits[used] |= _days(rng, members.size - 1, _ACTIVE_SHARE)


def _days(rng: np.random.Generator, count: int, share: float) -> U64:
    """Random active days behind the open day, as day rings; the share is met to one part in eight."""
    high = np.uint64(2**64 - 1)
    words = np.zeros((count, 2), dtype=np.uint64)
    # Random words joined by OR where the share's binary digit is 1 and by AND where it is 0.
    for digit in format(round(share * 8), "03b")[::-1]:
        drawn = rng.integers(0, high, (count, 2), dtype=np.uint64, endpoint=True)
        words = words | drawn if digit == "1" else words & drawn
    days = np.arange(_OPEN_DAY - 118, _OPEN_DAY) % RING_DAYS
    for word in (0, 1):
        slots = days[days >> 6 == word] & 63
        words[:, word] &= np.bitwise_or.reduce(np.uint64(1) << slots.astype(np.uint64))
    return words
