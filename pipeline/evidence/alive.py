"""How surely an account is gone, from when it was active: by its weeks over a year, and by its days over a quarter.

Method of weeks: beta-geometric / beta-Bernoulli (Fader, Hardie, Shang: Customer-Base Analysis in a Discrete-Time
Noncontractual Setting, 2010). While alive an account is active in each week with a chance of its own, after each week
it is gone with another; both chances differ between accounts as the priors say, and a run of weeks tells of them.

Method of days, for those who come on most of them: a renewal process with leaving. After an idle day an account comes
back with the chance that it had on its idle days before, so that days which come in clumps are no surprise; on each
idle day it may as well have left.
"""

from __future__ import annotations

from functools import cache

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
    weeks, ends = _weeks(view, places)
    by_weeks, usual_weeks = _by_weeks(weeks, view.quiet(ends))
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
    usual = np.where(enough, (came + idle) / np.maximum(came, 1), 7.0 * usual_weeks)
    return np.maximum(by_weeks, by_days), usual


def _weeks(view: View, places: Places) -> tuple[Bools, I64]:
    """Whether each of the weeks was active, the oldest first, one column an account; and the last day of each."""
    bits = view.active_bits[places]
    late, early = last_days(bits, view.day, 63), last_days(bits, view.day - 63, 56)
    newest = (view.day - 7 * RECENT_WEEKS - 6) // 7
    ring = view.column("weeks")[places]
    numbers = np.arange(newest - OLD_WEEKS + 1, newest + 1)
    old = (ring >> (numbers % 64).astype(np.uint64)[:, None]) & np.uint64(1) != 0
    ends = np.append(7 * numbers + 6, view.day - 7 * np.arange(RECENT_WEEKS)[::-1])
    return np.concatenate([old, np.stack(active_weeks(early, 8) + active_weeks(late, 9))]), ends


def _by_weeks(active: Bools, quiet: Bools) -> tuple[F64, F64]:
    """Probability to be gone by the weeks since the first active one, and weeks to an active one.

    In quiet weeks nobody came, so that they say nothing of those who did not: where only each so many-th week says
    something, as many leave from one to the next.
    """
    numbers = np.arange(WEEKS)[:, None]
    first = np.where(active.any(axis=0), active.argmax(axis=0), WEEKS)
    until = np.where(active.any(axis=0), WEEKS - active[::-1].argmax(axis=0), WEEKS)
    says = (active | ~quiet[:, None]) & (numbers >= first)
    came, last, known = active.sum(axis=0), (says & (numbers < until)).sum(axis=0), says.sum(axis=0)
    period = np.rint((WEEKS - first) / np.maximum(known, 1)).astype(np.int64)
    probability = np.zeros(len(came))
    for each in np.unique(period[came >= MIN_ACTIVE_WEEKS]).tolist():
        own = np.flatnonzero((period == each) & (came >= MIN_ACTIVE_WEEKS))
        probability[own] = _table(each)[came[own], last[own], known[own]]
    return probability, (until - first) / np.maximum(came, 1)


def _days(bits: U64, day: int) -> Bools:
    """Whether each of the days was active, the oldest first, one column an account."""
    words = [last_days(bits, end, DAYS // 2) for end in (day - DAYS // 2, day)]
    shifts = np.arange(DAYS // 2, dtype=np.uint64)[:, None]
    return np.concatenate([(word >> shifts) & np.uint64(1) != 0 for word in words])


@cache
def _table(period: int) -> F64:
    """Probability to be gone by active weeks, the last of them, and weeks: a sum over the weeks it may have left in.

    `period`: weeks to one that says something.
    """
    stays = GONE / period
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, WEEKS + 2)))])
    table = np.zeros((WEEKS + 1, WEEKS + 1, WEEKS + 1))
    for active in range(1, WEEKS + 1):
        lived = np.arange(active, WEEKS + 1)
        use = np.exp(logs[active] + logs[lived - active] - logs[lived + 1])
        leaves = use / ((stays + lived) * (stays + lived + 1.0))
        for weeks in range(active, WEEKS + 1):
            here = use[weeks - active] / (stays + weeks)
            # From the end, where the terms are smallest.
            gone_by = np.cumsum(leaves[: weeks - active][::-1])[::-1]
            table[active, active:weeks, weeks] = gone_by / (gone_by + here)
    return table
