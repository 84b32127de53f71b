"""How surely an account is gone, from when it was active: by its weeks over a year, and by its days over a quarter.

Method of weeks: beta-geometric / beta-Bernoulli (Fader, Hardie, Shang: Customer-Base Analysis in a Discrete-Time
Noncontractual Setting, 2010). While alive an account is active in each week with a chance of its own, after each week
it is gone with another; both chances differ between accounts as the priors say, and a run of weeks tells of them.

Method of days, for those who come on most of them: a renewal process with leaving. After an idle day an account comes
back with the chance that it had on its idle days before, so that days which come in clumps are no surprise; on each
idle day it may as well have left.
"""

from __future__ import annotations

import numpy as np

from pipeline.evidence.view import View
from pipeline.state.members import active_weeks, last_days
from pipeline.terms.arrays import F64, I64, U64, Bools, Places

RECENT_WEEKS, OLD_WEEKS = 17, 39
"""Weeks that end with the day, and calendar weeks that ended before them: together shorter than an account's rest."""
WEEKS = RECENT_WEEKS + OLD_WEEKS
DAYS = 112
GONE = 40.0
"""Second parameter of the Beta prior of leaving after a week, whose first is 1: one in 41 leaves on average. That of
being active in a week is flat."""
LEAVING = 1.0 / (7.0 * (GONE + 1.0))
"""The same of a day."""
CAUTION = 0.9
"""What is taken of the chance to come back, because it is estimated."""
MIN_ACTIVE_WEEKS = 4
MIN_DAYS, MIN_SHARE = 28, 0.5
"""Days up to the last active one, and the share of active ones, from which on days tell more than weeks."""


def gone(view: View, places: Places, gap: F64) -> tuple[F64, F64]:
    """Probability that the accounts at some places are gone, as of the view's day, and their usual days between days.

    `gap`: days since the last active one, each counted by its factor. 0 where too little is known.
    """
    active, last, known = _counts(_weeks(view, places))
    by_weeks = np.where(active >= MIN_ACTIVE_WEEKS, _TABLE[active, last, known], 0.0)
    days = _days(view.active_bits[places], view.day)
    first = np.maximum(view.first_usage_day[places], view.day - DAYS + 1) - view.day + DAYS - 1
    until = np.where(days.any(axis=0), DAYS - days[::-1].argmax(axis=0), 0)
    number = np.arange(DAYS)[:, None]
    seen = (number >= first) & (number < until)
    came = (days & seen).sum(axis=0)
    idle = seen.sum(axis=0) - came
    back = (days[1:] & ~days[:-1] & seen[:-1]).sum(axis=0)
    chance = CAUTION * (back + 1.0) / (idle + 1.0)
    away = (1.0 - chance) ** gap
    left = LEAVING * (1.0 - away) / chance
    enough = (came + idle >= MIN_DAYS) & (came >= MIN_SHARE * (came + idle))
    by_days = np.where(enough, left / (left + away), 0.0)
    usual = np.where(enough, (came + idle) / np.maximum(came, 1), 7.0 * last / np.maximum(active, 1))
    return np.maximum(by_weeks, by_days), usual


def _weeks(view: View, places: Places) -> Bools:
    """Whether each of the weeks was active, the oldest first, one column an account."""
    bits = view.active_bits[places]
    late, early = last_days(bits, view.day, 63), last_days(bits, view.day - 63, 56)
    newest = (view.day - 7 * RECENT_WEEKS - 6) // 7
    ring = view.column("weeks")[places]
    numbers = np.arange(newest - OLD_WEEKS + 1, newest + 1)
    old = (ring >> (numbers % 64).astype(np.uint64)[:, None]) & np.uint64(1) != 0
    return np.concatenate([old, np.stack(active_weeks(early, 8) + active_weeks(late, 9))])


def _counts(active: Bools) -> tuple[I64, I64, I64]:
    """Of the weeks since the first active one: active ones, the last active one, all. Zero where none was."""
    any_active = active.any(axis=0)
    first = np.where(any_active, active.argmax(axis=0), WEEKS)
    last = WEEKS - active[::-1].argmax(axis=0)
    known = WEEKS - first
    return active.sum(axis=0), np.where(any_active, last - first, 0), known


def _days(bits: U64, day: int) -> Bools:
    """Whether each of the days was active, the oldest first, one column an account."""
    words = [last_days(bits, end, DAYS // 2) for end in (day - DAYS // 2, day)]
    shifts = np.arange(DAYS // 2, dtype=np.uint64)[:, None]
    return np.concatenate([(word >> shifts) & np.uint64(1) != 0 for word in words])


def _table() -> F64:
    """Probability to be gone by active weeks, the last of them, and weeks: a sum over the weeks it may have left in."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, WEEKS + 2)))])
    table = np.zeros((WEEKS + 1, WEEKS + 1, WEEKS + 1))
    for active in range(1, WEEKS + 1):
        lived = np.arange(active, WEEKS + 1)
        use = np.exp(logs[active] + logs[lived - active] - logs[lived + 1])
        leaves = use / ((GONE + lived) * (GONE + lived + 1.0))
        for weeks in range(active, WEEKS + 1):
            here = use[weeks - active] / (GONE + weeks)
            # From the end, where the terms are smallest.
            gone_by = np.cumsum(leaves[: weeks - active][::-1])[::-1]
            table[active, active:weeks, weeks] = gone_by / (gone_by + here)
    return table


_TABLE = _table()
