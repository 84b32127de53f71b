"""People by name who stay away: champion, sponsor, the few power users."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding

if TYPE_CHECKING:
    from tests.oracle.model import Episode
    from tests.oracle.view import View


def _gap(view: View, active: set[int]) -> int:
    """Return the days since the last active one of 120, or 0 without any."""
    days = [x for x in active if view.day - 119 <= x <= view.day]
    return view.day - max(days) if days else 0


def _silent(view: View, severity: str, people: list[tuple[str, set[int]]]) -> Finding | None:
    """Find the person whose silence is the surest."""
    found = []
    for name, active in people:
        n, k = len(view.window), sum(1 for x in active if x in view.window)
        gap = _gap(view, active)
        if gap < 17 or n < 35 or k < n / 7 or _renamed(view, name, view.day - gap):
            continue
        p = 0.9 * (k + 1) / (n + 2)
        counted = sum(view.factor(view.day - back) for back in range(gap))
        if sum(1 for back in range(gap) if view.factor(view.day - back) > 0) < 17:
            continue
        found.append((-counted * math.log(1 - p) - math.log(len(people)), gap, 1 / p, name))
    if not found or max(found)[0] < view.log_arl:
        return None
    evidence, gap, usual, name = max(found)
    return Finding(severity, float(gap), usual, evidence, who=name)


def _renamed(view: View, name: str, last: int) -> bool:
    """Tell whether ids have changed since then, so that nobody knows who is silent."""
    if any(pair.former.name == name and pair.at_once and pair.alike for pair in view.successions):
        return True
    moved = [pair for pair in view.successions if pair.alike and abs(pair.former.days[-1] - last) <= 27]
    if len(moved) >= 3 and len(moved) >= 0.2 * view.users_active(view.day - 27, view.day):
        return True
    users = view.account.users
    there = {user for user, days in users.items() if any(last - 27 <= x <= last for x in days)}
    here = {user for user, days in users.items() if any(view.day - 6 <= x <= view.day for x in days)}
    return bool(here) and not here & there


def _holder(view: View, role: str) -> list[tuple[str, set[int]]]:
    """The user who is the contact with the role, and the days of that id."""
    known = [(c.as_of_ms, name) for name, c in view.account.contacts.items() if c.there and c.role == role and name]
    if not known:
        return []
    name = max(known)[1]
    return [(name, view.account.users.get(name, set()))]


def champion_silent(view: View) -> Finding | None:
    return _silent(view, "error", _holder(view, "champion"))


def champion_is_back(view: View, episode: Episode) -> bool:
    return all(_gap(view, active) < 7 for _, active in _holder(view, "champion"))


def sponsor_silent(view: View) -> Finding | None:
    return _silent(view, "warning", _holder(view, "sponsor"))


def sponsor_is_back(view: View, episode: Episode) -> bool:
    return all(_gap(view, active) < 7 for _, active in _holder(view, "sponsor"))


def _power_users(view: View) -> list[tuple[str, set[int]]]:
    return [("", view.people[user]) for user in view.power_users]


def power_user_silent(view: View) -> Finding | None:
    people = _power_users(view)
    if len(people) > 2:
        return None
    return _silent(view, "warning", people)


def power_users_are_active(view: View, episode: Episode) -> bool:
    people = _power_users(view)
    return bool(people) and all(_gap(view, active) < 7 for _, active in people)
