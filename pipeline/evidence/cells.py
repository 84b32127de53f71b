"""The cell that an account is in: the bins of its traits as of a day (`fleet/traits.py`)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.evidence.alive import gone
from pipeline.evidence.view import MIN_USED_DAYS, View
from pipeline.fleet.traits import cells_of
from pipeline.state.life import NEVER_MS, TRIAL, unjudged
from pipeline.state.members import count_weeks, last_days
from pipeline.terms.arrays import I64, Bools, Places
from pipeline.terms.fleet_day import LEVELS, level_buckets
from schemas.topics import DAY_MS

SILENT_DAYS, GONE = 28, 0.5
"""Without use, or the probability to be gone from which on an account is silent sooner."""
MIN_GAP_DAYS, MIN_AGE_DAYS = 7, 56
"""Below which nothing is said of being gone."""
FELL_DAYS, GREW_DAYS, NEW_DAYS, YEAR_DAYS = 84, 182, 182, 365
RENEWAL_DAYS = 90
OVERDUE_MS = 3 * DAY_MS
TICKETS = 3
"""Open ones that are trouble."""


def foretold(view: View) -> Bools:
    """Accounts that have an outlook: customers, who are not on trial any more."""
    return np.asarray(~unjudged(view.life) & (view.life != TRIAL))


def renewal_ms(view: View) -> I64:
    """When accounts renew: by their profile, else by the term of their subscriptions; −1 where neither is to come."""
    profile, term = view.column("renewal_at_ms"), view.column("term_ms")
    today_ms = view.days.start_ms(view.day)
    return np.where(profile >= today_ms, profile, np.where(term >= today_ms, term, -1)).astype(np.int64)


def cells(view: View, places: Places, levels: Mapping[str | None, tuple[int, ...]]) -> I64:
    """Cells of the accounts at some places; `levels`: accounts of the fleet by level of use, as of the day before."""
    basis = np.where(view.column("billing_seen")[places], 0, 1)
    parts = (_use(view, places), _level(view, places, levels), _trend(view, places), _people(view, places))
    return cells_of(basis, [*parts, _trouble(view, places), _term(view, places), _growth(view, places)])


def _use(view: View, places: Places) -> I64:
    gap, first = view.gap[places], np.minimum(view.first_usage_day, view.column("first_day"))[places]
    bits = view.active_bits[places]
    late, early = last_days(bits, view.day, 63), last_days(bits, view.day - 63, 28)
    active = 10 * (count_weeks(late, 9) + count_weeks(early, 4)).astype(np.int64)
    weeks = np.clip((view.day - view.first_usage_day[places] + 1) // 7, 1, 13)
    silent = gap >= SILENT_DAYS
    doubtful = (gap >= MIN_GAP_DAYS) & ~silent & (view.first_usage_day[places] <= view.day - MIN_AGE_DAYS + 1)
    some = places[doubtful]
    if len(some):
        silent[doubtful] = gone(view, some, view.counted_gap(some, view.gap[some]))[0] >= GONE
    new = first > view.day - MIN_USED_DAYS + 1
    bounds = [new, silent, active >= 9 * weeks, active >= 6 * weeks, active >= 3 * weeks]
    return np.select(bounds, [0, 5, 1, 2, 3], 4)


def _level(view: View, places: Places, levels: Mapping[str | None, tuple[int, ...]]) -> I64:
    """Quarter of the fleet in use; nothing of an account that is too new for the comparison."""
    counts = np.array(levels.get(None, (0,) * LEVELS))
    counts[0] = 0
    below, total = np.cumsum(counts) - counts, int(counts.sum())
    bucket = level_buckets(view.weekly_actions[places])
    quarter = 1 + np.minimum(3, 4 * (2 * below + counts)[bucket] // max(1, 2 * total))
    used = view.first_usage_day[places] <= view.day - MIN_USED_DAYS + 1
    return np.where(used & (total > 0), quarter, 0)


def _trend(view: View, places: Places) -> I64:
    """Actions of four weeks against those of twelve, both and one more, in thousandths."""
    days = view.used_days[places]
    late = (view.total("actions", view.day - 27, view.day)[places] + 1000) * days
    usual = 28 * view.total("actions", view.day - 83, view.day)[places] + 1000 * days
    bins = np.select([100 * late < 50 * usual, 100 * late < 85 * usual, 100 * late < 115 * usual], [0, 1, 2], 3)
    return np.where(days >= MIN_AGE_DAYS, bins, 2)


def _people(view: View, places: Places) -> I64:
    return np.where(view.unseen[places], 0, np.minimum(view.users.active_28[places], 3))


def _trouble(view: View, places: Places) -> I64:
    column = view.column
    money = column("failed_unpaid") | column("overdue_flagged") | (column("first_due_ms") + OVERDUE_MS <= view.end_ms)
    money |= column("revenue_fell_ms") > view.end_ms - FELL_DAYS * DAY_MS
    others = (column("open_p1") > 0) | (column("open_tickets") >= TICKETS)
    others |= column("detractor_until_ms") > view.end_ms
    return np.select([column("next_end_ms") < NEVER_MS, money, others], [3, 2, 1], 0)[places]


def _term(view: View, places: Places) -> I64:
    at_ms = renewal_ms(view)[places]
    known = at_ms >= 0
    near = known & (view.days.of(np.where(known, at_ms, 0)) <= view.day + RENEWAL_DAYS)
    old = view.column("first_day")[places] <= view.day - YEAR_DAYS
    return np.select([near, known, old], [1, 2, 3], 0)


def _growth(view: View, places: Places) -> I64:
    seats = view.column("seats")[places].astype(np.int64)
    full = (seats > 0) & (10 * view.users.active_28[places] >= 8 * seats) & ~view.unseen[places]
    grew = view.column("expanded_ms")[places] > view.end_ms - GREW_DAYS * DAY_MS
    new = view.column("first_day")[places] > view.day - NEW_DAYS
    return np.select([grew, full, new], [3, 2, 1], 0)
