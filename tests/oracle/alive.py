"""Accounts used in some weeks only: the probability that they are customers still."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding

if TYPE_CHECKING:
    from tests.oracle.model import Episode
    from tests.oracle.view import View


def _beta(a: float, b: float) -> float:
    return math.gamma(a) * math.gamma(b) / math.gamma(a + b)


def _weeks(view: View, count: int) -> list[bool]:
    """Tell of each week, the oldest first, whether the account was active."""
    days = view.account.active_days
    return [any(view.day - 7 * back - x in days for x in range(7)) for back in reversed(range(count))]


def dormant(view: View) -> Finding | None:
    if not view.used_since(view.day - 83) or is_judged(view):
        return None
    gap = view.day - max(x for x in view.account.active_days if x <= view.day)
    counted = max(0, gap - 84) + sum(view.factor(view.day - back) for back in range(min(gap, 84)))
    weeks = _weeks(view, 12)
    if gap < 14 or counted < 14 - 1e-9 or sum(weeks) < 4:
        return None
    weeks = weeks[weeks.index(True) :]
    n, x, last = len(weeks), sum(weeks), max(k + 1 for k, active in enumerate(weeks) if active)
    alive = _beta(1 + x, 1 + n - x) * _beta(1, 40 + n)
    gone = sum(_beta(1 + x, 1 + j - x) * _beta(2, 40 + j) for j in range(last, n))
    probability = alive / (alive + gone)
    if probability > 0.3 * min(1.0, 8000 / view.config.arl_days):
        return None
    onset = (view.day - gap + 1,) * 3
    return Finding(silent_severity(view, "warning"), float(gap), 7 * last / x, 1 - probability, onset)


def silent_severity(view: View, usual: str) -> str:
    """Silence is worse when the renewal is near."""
    left = view.days_to_renewal
    return "critical" if left is not None and left <= 90 else usual


def is_judged(view: View) -> bool:
    """Tell whether four weeks of the account's actions say enough."""
    level = view.level
    return level is not None and level.lag >= 28 and 28 * level.mean >= 20 * level.dispersion


def is_used_again(view: View, episode: Episode) -> bool:
    return sum(_weeks(view, 4)) >= 2
