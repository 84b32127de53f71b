"""The probability that an account is gone, from its weeks over a year and its days over a quarter."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding

if TYPE_CHECKING:
    from tests.oracle.model import Episode
    from tests.oracle.view import View


def _beta(a: float, b: float) -> float:
    return math.exp(math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b))


@cache
def _gone_by_weeks(weeks: tuple[bool, ...], period: int) -> float:
    """Weigh all that may have been: it left after one of the idle weeks at the end, or it is here."""
    stays = 40 / period
    n, x, last = len(weeks), sum(weeks), max(k + 1 for k, active in enumerate(weeks) if active)
    here = _beta(1 + x, 1 + n - x) * _beta(1, stays + n)
    left = sum(_beta(1 + x, 1 + j - x) * _beta(2, stays + j) for j in range(last, n))
    return left / (left + here)


def _weeks(view: View) -> list[tuple[bool, bool]]:
    """Tell of each week, the oldest first, whether the account was active, and whether that says anything."""
    days, d = view.account.active_days, view.day
    newest = (d - 125) // 7
    ends = [7 * w + 6 for w in range(newest - 38, newest + 1)] + [d - 7 * back for back in reversed(range(17))]
    active = [any(end - x in days for x in range(7)) for end in ends]
    return [(came, came or not view.quiet(end)) for came, end in zip(active, ends, strict=True)]


def _gap(view: View) -> int:
    return view.day - max(x for x in view.account.active_days if x <= view.day)


def _counted_gap(view: View) -> float:
    gap = _gap(view)
    return max(0, gap - 84) + sum(view.factor(view.day - back) for back in range(min(gap, 84)))


def gone(view: View) -> tuple[float, float]:
    """Return the probability to be gone, and the days that usually lie between active ones; 0 within a week."""
    if not may_fall_silent(view) or _gap(view) < 7:
        return 0.0, 0.0
    weeks = _weeks(view)
    by_weeks, usual = 0.0, 0.0
    came = [k for k, (active, _) in enumerate(weeks) if active]
    if came:
        usual = 7 * (came[-1] + 1 - came[0]) / len(came)
        telling = tuple(active for active, says in weeks[came[0] :] if says)
        if len(came) >= 4:
            by_weeks = _gone_by_weeks(telling, round((len(weeks) - came[0]) / len(telling)))
    first = max(view.account.first_usage_day or 0, view.day - 111)
    active = [x for x in view.account.active_days if first <= x <= view.day]
    seen = range(first, max(active) + 1) if active else range(0)
    if len(seen) < 28 or 2 * len(active) < len(seen):
        return by_weeks, usual
    idle = len(seen) - len(active)
    ends = sum(1 for x in active if x > first and x - 1 not in active)
    back = 0.9 * (ends + 1) / (idle + 1)
    away = (1 - back) ** _counted_gap(view)
    left = (1 - away) / back / (7 * 41)
    return max(by_weeks, left / (left + away)), len(seen) / len(active)


def silence(view: View) -> Finding | None:
    probability, usual = gone(view)
    if probability <= 0 or _counted_gap(view) < 7 - 1e-9:
        return None
    if probability < 1 and math.log(probability / (1 - probability)) < view.bar("silence"):
        return None
    gap = _gap(view)
    onset = (view.day - gap + 1,) * 3
    return Finding(silent_severity(view), float(gap), usual, probability, onset)


def silence_is_clear(view: View, episode: Episode) -> bool:
    return _gap(view) < 7


def may_fall_silent(view: View) -> bool:
    """Tell whether the account counts in the rate of alarms."""
    return view.used_since(view.day - 55) and _gap(view) < 128


def silent_severity(view: View) -> str:
    """Silence is worse when the renewal is near, and less bad while it is not sure."""
    left = view.days_to_renewal
    if left is not None and left <= 90:
        return "critical"
    return "error" if gone(view)[0] >= 0.95 else "warning"
