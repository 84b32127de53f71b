"""Dimensions of how the product is used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.evidence.power import MIN_POWER_USERS
from pipeline.evidence.view import MIN_USED_DAYS
from pipeline.health.reach import ADOPTED_DAYS
from pipeline.health.reading import Reading, Sight, trend
from pipeline.state.members import active_weeks as week_flags
from pipeline.state.members import count_weeks, last_days
from pipeline.terms.fleet_day import LEVELS, level_buckets, median_bucket, rank

HABIT_WEEKS, TOP_LEVEL = 4, 3
MIN_DAYS = 7
"""Days below which nothing is said of usage; of an own level, each counted by its factor."""
MIN_WEEKS = 4
MIN_FORTNIGHT = 10
"""The same of two weeks of power users."""


def usage_trend(sight: Sight) -> Reading:
    """Actions of four weeks against the expected level, or what the profile expects of an account without one."""
    view = sight.view
    days = np.minimum(28, view.day - view.first_usage_day + 1)
    cold = ~view.level.defined & (days >= MIN_DAYS) & (sight.expected.daily_actions > 0)
    observed = np.where(cold, view.last("actions", 28), view.counted("actions", 28))
    expected = np.where(cold, days * sight.expected.daily_actions, view.four_weeks * view.level.mean)
    present = cold | (view.level.judged & (view.four_weeks >= MIN_DAYS))
    return Reading(trend(observed / np.where(present, expected, 1.0), present), observed, expected)


def active_weeks(sight: Sight) -> Reading:
    """Weeks with use among the last thirteen, or those since the first use, without those in which nobody came."""
    view = sight.view
    late, early = (last_days(view.active_bits, last, 7 * weeks) for last, weeks in ((view.day, 9), (view.day - 63, 4)))
    active = (count_weeks(late, 9) + count_weeks(early, 4)).astype(np.float64)
    weeks = np.clip((view.day - view.first_usage_day + 1) // 7, 0, 13)
    known = weeks.astype(np.float64)
    quiet = view.quiet(view.day - 7 * np.arange(13))
    if quiet.any():
        came = np.stack((week_flags(early, 4) + week_flags(late, 9))[::-1])
        known -= (quiet[:, None] & ~came & (np.arange(13)[:, None] < weeks)).sum(axis=0)
    present = (weeks >= MIN_WEEKS) & (known > 0)
    return Reading(np.where(present, np.minimum(1.0, active / np.maximum(known, 1.0)), np.nan), active, known)


def usage_level(sight: Sight) -> Reading:
    """Actions a week beside those of the segment, or of all: full from the median on."""
    view, belonging = sight.view, sight.view.accounts.belonging
    buckets, segments = level_buckets(view.weekly_actions), belonging.segment[view.rows]
    share, median = np.full(len(view), np.nan), np.full(len(view), np.nan)
    for number in np.unique(segments).tolist():
        counts = sight.levels.get(belonging.segments.names[number], sight.levels.get(None))
        if counts is not None:
            chosen = segments == number
            share[chosen] = np.array([rank(counts, bucket) for bucket in range(LEVELS)])[buckets[chosen]]
            median[chosen] = 2.0 ** (median_bucket(counts) / 4.0) - 1.0
    used = view.first_usage_day <= view.day - MIN_USED_DAYS + 1
    return Reading(np.where(used, np.minimum(1.0, 2.0 * share), np.nan), view.weekly_actions, median)


def active_users(sight: Sight) -> Reading:
    """User-days of four weeks against the baseline's."""
    view = sight.view
    mean = view.users.days_base / np.maximum(view.level.days, 1)
    present = view.level.judged & (view.users.days_base > 0) & (view.four_weeks >= MIN_DAYS) & ~view.column("unseen")
    observed = view.users.days_28.astype(np.float64)
    expected = view.four_weeks * mean
    return Reading(trend(observed / np.where(present, expected, 1.0), present), observed, expected)


def power_users(sight: Sight) -> Reading:
    """User-days of the power users in two weeks against those of their reference."""
    view, power = sight.view, sight.view.power
    fortnight = np.asarray(view.factors(view.day - 13, view.day).sum(axis=0))
    present = power.reference.known & (power.count >= MIN_POWER_USERS) & (fortnight >= MIN_FORTNIGHT)
    present &= ~view.column("unseen")
    observed = power.fortnight.astype(np.float64)
    expected = fortnight * power.days / (7 * power.reference.usual_weeks)
    return Reading(trend(observed / np.where(present, expected, 1.0), present), observed, expected)


def seat_utilisation(sight: Sight) -> Reading:
    """Users of four weeks against the share of the seats that is expected to be in use."""
    view = sight.view
    seats = view.accounts.seats[view.rows].astype(np.float64)
    users = view.users.active_28.astype(np.float64)
    wanted = sight.expected.seat_share * np.maximum(seats, 1.0)
    present = (seats > 0) & (sight.reach.users_84[view.rows] > 0) & (view.first_usage_day <= view.day - MIN_DAYS + 1)
    present &= ~view.column("unseen")
    value = np.where(present, np.clip(users / wanted, 0.0, 1.0), np.nan)
    return Reading(value, users, seats)


def feature_breadth(sight: Sight) -> Reading:
    """Features used in four weeks against those of the four weeks before."""
    view = sight.view
    now = view.features.active_28.astype(np.float64)
    before = view.features.active_before.astype(np.float64)
    present = view.level.judged & (before > 0)
    value = np.where(present, np.clip(now / np.maximum(before, 1.0), 0.0, 1.0), np.nan)
    return Reading(value, now, before)


def first_use(sight: Sight) -> Reading:
    """Whether anybody has used the product."""
    used = (sight.view.first_usage_day <= sight.view.day).astype(np.float64)
    return Reading(used, used, np.ones(len(sight)))


def adoption_ladder(sight: Sight) -> Reading:
    """How far up: used at all, used in each of four weeks, and that with enough power users."""
    view = sight.view
    habitual = count_weeks(last_days(view.active_bits, view.day, 28), HABIT_WEEKS) == HABIT_WEEKS
    level = 1.0 + habitual + (habitual & (view.power.count >= MIN_POWER_USERS))
    top = np.full(len(sight), float(TOP_LEVEL))
    return Reading(np.where(view.first_usage_day <= view.day, level / TOP_LEVEL, np.nan), level, top)


def seats_activated(sight: Sight) -> Reading:
    """Users of twelve weeks against the seats."""
    seats = sight.view.accounts.seats[sight.view.rows].astype(np.float64)
    users = sight.reach.users_84[sight.view.rows].astype(np.float64)
    value = np.where((seats > 0) & (users > 0), np.clip(users / np.maximum(seats, 1.0), 0.0, 1.0), np.nan)
    return Reading(value, users, seats)


def feature_adoption(sight: Sight) -> Reading:
    """Adopted features against those the account is entitled to, or those it has used in twelve weeks."""
    rows = sight.view.rows
    adopted = sight.reach.features_adopted[rows].astype(np.float64)
    entitled, used = sight.view.accounts.entitled[rows], sight.reach.features_84[rows]
    wanted = np.where(entitled > 0, entitled, used).astype(np.float64)
    value = np.where(used > 0, np.clip(adopted / np.maximum(wanted, 1.0), 0.0, 1.0), np.nan)
    return Reading(value, adopted, wanted)


def personas(sight: Sight) -> Reading:
    """Roles of the users of four weeks against those of twelve."""
    now, before = (column[sight.view.rows].astype(np.float64) for column in sight.reach.roles)
    value = np.where(before > 0, now / np.maximum(before, 1.0), np.nan)
    return Reading(value, now, before)


def feature(name: str) -> Callable[[Sight], Reading]:
    """One named feature: on how many of the days that make it adopted it was used."""

    def read(sight: Sight) -> Reading:
        days = sight.reach.days_used(name)[sight.view.rows].astype(np.float64)
        used = sight.view.first_usage_day <= sight.view.day
        value = np.where(used, np.minimum(1.0, days / ADOPTED_DAYS), np.nan)
        return Reading(value, days, np.full(len(sight), float(ADOPTED_DAYS)))

    return read
