"""Four weeks against the level, told of those accounts that changed most."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding
from tests.oracle.levels import Plan, Values, fall_of_days, onset, rise_of_days
from tests.oracle.relationship import ripe

if TYPE_CHECKING:
    from tests.oracle.view import View

DECLINE = Plan(
    "usage_decline", "monthly_usage", "actions", "warning", 0.75, days=28, yields_to=("usage_drop", "silence")
)
GROWTH = Plan("sustained_growth", "total_usage", "actions", "info", 1.3, days=28, family="expansion")
USERS = {plan.kind: Plan(plan.kind, "", "active_users", "", 1.0, days=28) for plan in (DECLINE, GROWTH)}


def _rough(view: View) -> float:
    """Return the mean of the days of the baseline, however few they are."""
    days = view.base_days
    return sum(view.account.actions.get(x, 0) for x in days) / 1000 / len(days) if days else 0.0


def may_change(view: View) -> bool:
    """Tell whether the account counts in the rate of alarms."""
    return view.used_since(view.day - 83) and max(view.account.active_days) > view.day - 128


def may_decline(view: View) -> bool:
    """Tell whether a fall would say anything."""
    counted = sum(view.factor(x) for x in range(view.day - 27, view.day + 1))
    return may_change(view) and 28 * _rough(view) >= 2 and counted >= 21


def _closed(values: Values, days: dict[int, float]) -> float:
    """What was expected of two idle days, of those on which most was."""
    return sum(sorted(expected for x, expected in days.items() if values.at(x) == 0)[-2:])


def _deviations(view: View, values: Values, *, falls: bool) -> tuple[float, float] | None:
    """Return what is expected of four weeks and how many deviations they are off it."""
    level = values.level
    if level is None:
        return None
    if falls:
        days = {x: values.expected(x) for x in range(view.day - 27, view.day + 1)}
        expected, dispersion = sum(days.values()) - _closed(values, days), level.dispersion
    else:
        days = {x: level.usual(x) for x in view.base_days}
        closed = min(0.5, _closed(values, days) / max(1e-9, sum(days.values())))
        expected, dispersion = max(28 * level.mean / (1 - closed), 2.0), level.rise_dispersion
    off = expected - values.counted(28) if falls else values.last(28) - expected
    return expected, off / math.sqrt(max(expected, 1e-9) * dispersion * (1 + 28 / level.n))


def _judged(view: View, plan: Plan, *, falls: bool) -> tuple[Values, float, float, float] | None:
    values = Values(view, plan)
    found = _deviations(view, values, falls=falls)
    if found is None or values.level is None or (falls and values.level.mean <= 0):
        return None
    expected, deviations = found
    users = Values(view, USERS[plan.kind])
    others = _deviations(view, users, falls=falls)
    if others is not None and users.level is not None and users.level.mean > 0:
        deviations = (deviations + others[1]) / 2
    return values, values.level.mean, expected, deviations


def usage_decline(view: View) -> Finding | None:
    found = _judged(view, DECLINE, falls=True) if may_decline(view) else None
    if found is None:
        return None
    values, mean, expected, deviations = found
    observed = values.counted(28)
    if observed >= 0.75 * min(expected, 28 * mean) or deviations < view.bar("usage_decline"):
        return None
    return Finding("warning", observed, expected, deviations, onset(fall_of_days(view, DECLINE, values)))


def sustained_growth(view: View) -> Finding | None:
    """Evaluate growth without the band."""
    found = _judged(view, GROWTH, falls=False) if may_change(view) else None
    if found is None:
        return None
    values, mean, expected, deviations = found
    observed = values.last(28)
    if observed < 1.3 * expected or deviations < view.bar("sustained_growth"):
        return None
    if any(values.last(7, 7 * week) < 7 * mean for week in range(4)):
        return None
    return Finding("info", observed, expected, deviations, onset(rise_of_days(view, GROWTH, values)))


def growth_if_ripe(view: View) -> Finding | None:
    return sustained_growth(view) if ripe(view) else None
