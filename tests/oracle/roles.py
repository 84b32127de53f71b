"""Roles of users whose share of activity falls."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding
from tests.oracle.shares import fallen, log, safe_share, total_change

if TYPE_CHECKING:
    from tests.oracle.model import Episode
    from tests.oracle.view import View


@dataclass(frozen=True)
class _Role:
    """A role that does materially less."""

    observed: float
    expected: float
    evidence: float
    order: int


def _role_of(view: View, user: str) -> str | None:
    """Name the role a user had in the reference: of the two told last the earlier one, if it was told since then."""
    told = view.account.roles.get(user, {})
    names = sorted(told, key=lambda name: (told[name], view.config.id_hash(name)))[-2:]
    if not names:
        return None
    return names[0] if told[names[0]] >= view.reference.start else names[-1]


def _count(users: list[set[int]], first: int, last: int) -> int:
    return sum(1 for active in users for x in active if first <= x <= last)


def _roles(view: View) -> tuple[int, list[_Role]]:
    """Count the roles that can be judged, and judge those that do less."""
    d, n = view.day, max(view.weeks, 1)
    by_role: dict[str, list[set[int]]] = defaultdict(list)
    for user, active in view.account.users.items():
        role = _role_of(view, user)
        if role is not None:
            by_role[role].append(active)

    def was_there(active: set[int]) -> bool:
        return not active.isdisjoint(view.reference)

    everyone = [active for users in by_role.values() for active in users]
    before = _count(everyone, view.reference.start, view.reference.stop - 1)
    judged, low = 0, []
    for role, users in by_role.items():
        old, new = [each for each in users if was_there(each)], [each for each in users if not was_there(each)]
        whole = [each for each in everyone if was_there(each)] + new
        then = _count(old, view.reference.start, view.reference.stop - 1)
        if len(old) < 3 or then < 0.05 * before or then > 0.95 * before:
            continue
        judged += 1
        week, fortnight, all_week = _count(users, d - 6, d), _count(users, d - 13, d), _count(whole, d - 6, d)
        if week > 0.75 * then / n or fortnight > 0.8 * then / (n / 2):
            continue
        if all_week == 0 or week * before > 0.75 * then * all_week:
            continue
        reference = [(_count(users, x, x), _count(everyone, x, x)) for x in view.reference]
        q, phi = safe_share(reference)
        lately = [(_count(users, x, x), _count(whole, x, x)) for x in view.judged_days]
        evidence = fallen(lately, q, phi) if q > 0.05 else 0.0
        low.append(_Role(week / all_week, then / before, evidence, view.config.id_hash(role)))
    return judged, low


def role_decline(view: View) -> Finding | None:
    if not view.weeks:
        return None
    judged, low = _roles(view)
    evidence = log(math.fsum(role.evidence for role in low) / judged) if low else -math.inf
    change, flat = total_change(view)
    if evidence < view.log_arl or not (flat or change > 0):
        return None
    surest = max(low, key=lambda role: (role.evidence, role.order))
    return Finding("warning", surest.observed, surest.expected, evidence)


def roles_are_back(view: View, episode: Episode) -> bool:
    return not _roles(view)[1]
