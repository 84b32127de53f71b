"""Daily shares that fall: of seats in use, of the month's users, of power users; by bets against them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding
from tests.oracle.level import weekday
from tests.oracle.levels import onset
from tests.oracle.shares import total_change

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.oracle.model import Episode
    from tests.oracle.view import View


def _fallen(view: View, severity: str, observed: float, share: Callable[[int], float]) -> Finding | None:
    """Bet against a share, given that the last week is low."""
    d = view.day
    if not view.used_since(d - 83):
        return None
    base = {x: share(x) for x in range(d - 83, d - 27) if not view.left_out(x)}
    n, m = len(base), sum(base.values()) / max(len(base), 1)
    if n < 28 or m <= 0:
        return None
    factors = []
    for k in range(7):
        same = [value for x, value in base.items() if weekday(x) == k]
        factors.append((sum(same) + m) / ((len(same) + 1) * m))
    usual = {x: m * factors[weekday(x)] for x in range(d - 83, d + 1)}
    error = math.sqrt(sum((base[x] - usual[x]) ** 2 for x in base)) / n
    safe = 0.97 * max(0.0, 1 - 0.2 * error / m)
    means = {x: usual[x] * view.factor(x) for x in range(d - 27, d + 1)}
    expected = sum(means[x] for x in range(d - 6, d + 1)) / 7
    if observed >= 0.85 * expected:
        return None
    days: dict[int, list[float]] = {}
    sums = dict.fromkeys((0.2, 0.5, 0.9), 0.0)
    evidence = []
    for x in range(d - 27, d + 1):
        days[x] = []
        p = min(0.95, safe * means[x])
        for bet, s in sums.items():
            e = 1 + bet * (p - share(x)) / (1 - p)
            days[x].append(math.log(e) if means[x] > 0 else 0.0)
            sums[bet] = (1 + s) * e if means[x] > 0 else s
        total = sum(sums.values()) / 3
        evidence.append(math.log(total) if total > 0 else -math.inf)
    if min(evidence[-2:]) < view.log_arl:
        return None
    return Finding(severity, observed, expected, evidence[-1], onset(days))


def _seats_in_use(view: View, first: int, last: int) -> int:
    seats = view.seats if view.seats >= 3 else 0
    return sum(min(view.account.active_users.get(x, 0), seats) for x in range(first, last + 1))


def _week_of_seats(view: View) -> float:
    seats = view.seats if view.seats >= 3 else 0
    return _seats_in_use(view, view.day - 6, view.day) / max(7 * seats, 1)


def seat_utilisation_drop(view: View) -> Finding | None:
    d = view.day
    week, before = _seats_in_use(view, d - 6, d), _seats_in_use(view, d - 83, d - 28)
    if week == 0 or 8 * week >= 0.85 * before:
        return None
    return _fallen(view, "warning", _week_of_seats(view), lambda x: _seats_in_use(view, x, x) / view.seats)


def seats_are_back(view: View, episode: Episode) -> bool:
    return _week_of_seats(view) >= 0.85 * episode.expected


def _week_of_users(view: View) -> float:
    d = view.day
    return view.user_days(range(d - 6, d + 1)) / max(7 * view.users_active(d - 27, d), 1)


def stickiness_drop(view: View) -> Finding | None:
    d = view.day
    week, before = view.user_days(range(d - 6, d + 1)), view.user_days(range(d - 83, d - 27))
    month, month_before = view.users_active(d - 27, d), view.users_active(d - 55, d - 28)
    if week == 0 or min(month, month_before) < 5 or 8 * week * month_before >= 0.85 * before * month:
        return None

    def share(x: int) -> float:
        return view.users_active(x, x) / max(view.users_active(x - 27, x), 1)

    return _fallen(view, "warning", _week_of_users(view), share)


def users_are_back(view: View, episode: Episode) -> bool:
    return _week_of_users(view) >= 0.85 * episode.expected


def _week_of_power_users(view: View) -> float:
    week = view.share(view.day - 6, view.day).power
    return week / max(7 * len(view.power_users), 1)


def power_user_attendance(view: View) -> Finding | None:
    d, count = view.day, len(view.power_users)
    if count < 3 or not knows_somebody(view):
        return None
    change, flat = total_change(view)
    if flat or change > 0:
        return None
    then = view.share(view.reference[0], view.reference[-1]).power
    if view.weeks * view.share(d - 6, d).power >= 0.85 * then:
        return None
    return _fallen(view, "error", _week_of_power_users(view), lambda x: view.share(x, x).power / count)


def knows_somebody(view: View) -> bool:
    """Tell whether anybody who was active in the reference was so in the last week."""
    d, known = view.day, [view.people[user] for user in view.known_users]
    return any(d - 6 <= x <= d for active in known for x in active)


def power_users_are_back(view: View, episode: Episode) -> bool:
    return _week_of_power_users(view) >= 0.85 * episode.expected
