"""Roles: one whose users do less while the others make up for it, and what must not look like it."""

from __future__ import annotations

import numpy as np

from tests.evaluation.people import VOLUMES, Change, Groups, alarmed, tasks_of
from tests.evaluation.steps import Recall
from tests.evaluation.task import Size, Task

KIND = "role_decline"
SHARES = (0.4, 0.3, 0.2, 0.1)
"""Of the user-days, by role."""
DAYS = 2.0
"""A week, of one user."""
QUIET = 1
"""The role that does less."""


def _flat(lost: float) -> tuple[float, ...]:
    """One role does less, and the others as much more."""
    share = SHARES[QUIET]
    return tuple(1.0 - lost if place == QUIET else 1.0 + lost * share / (1.0 - share) for place in range(len(SHARES)))


CHANGES = (
    *(
        Change("one role", f"−{100 * lost:.0f} %, total flat", user_days, _flat(lost))
        for user_days in VOLUMES
        for lost in (0.6, 1.0)
    ),
    *(
        Change("holiday of all roles", "everything −50 % for 10 days", user_days, (0.5,) * 4, 10, harmful=False)
        for user_days in VOLUMES
    ),
    Change("all roles", "everything −40 % for good", 70, (0.6,) * 4, harmful=False),
    Change("another role", "+150 %, the others as before", 70, (1.0, 1.0, 1.0, 2.5), harmful=False),
)


class Staff(Groups):
    """Users in four roles, each with its own luck every day."""

    def __init__(self, accounts: int, user_days: int, dispersion: float, rng: np.random.Generator) -> None:
        sizes = [max(3, round(share * user_days / DAYS)) for share in SHARES]
        super().__init__(accounts, sizes, [DAYS] * len(sizes), dispersion, rng)
        self.roles = np.repeat(np.arange(1, len(sizes) + 1), sizes)


def tasks(size: Size) -> list[Task]:
    """Accounts to which nothing happens, and the changes."""
    return tasks_of(size, Staff, (KIND,), CHANGES, measure, 4)


def measure(change: Change, accounts: int, dispersion: float, rng: np.random.Generator) -> Recall:
    """One change, judged at the default run length."""
    return alarmed(KIND, change, Staff(accounts, change.user_days, dispersion, rng))
