"""Roles: one whose users do less while the others make up for it, and what must not look like it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tests.evaluation.budget import FalseAlerts
from tests.evaluation.people import (
    DISPERSIONS,
    VOLUMES,
    Change,
    Groups,
    alarmed,
    steady,
    steady_accounts,
)
from tests.evaluation.steps import Recall

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


def false_alerts(account_years: float, seed: int, tell: Callable[[str], None] = print) -> Iterator[FalseAlerts]:
    """A role that declines where nothing happens, on at least so many account-years a cell."""
    accounts = steady_accounts(account_years)
    for user_days in VOLUMES:
        for dispersion in DISPERSIONS:
            tell(f"false alerts: roles, {user_days} user-days a week, dispersion {dispersion:g}")
            rng = np.random.default_rng((seed, 4, user_days, round(10 * dispersion)))
            yield from steady((KIND,), Staff(accounts, user_days, dispersion, rng), user_days / 7.0)


def recalls(accounts: int, seed: int, tell: Callable[[str], None] = print) -> Iterator[Recall]:
    """Share of accounts alarmed, by change and dispersion."""
    for number, change in enumerate(CHANGES):
        for dispersion in DISPERSIONS[:2]:
            tell(f"recall: {change.name} {change.effect}, {change.user_days} user-days a week")
            rng = np.random.default_rng((seed, 5, number, round(10 * dispersion)))
            yield measure(change, accounts, dispersion, rng)


def measure(change: Change, accounts: int, dispersion: float, rng: np.random.Generator) -> Recall:
    """One change, judged at the reference run length."""
    return alarmed(KIND, change, Staff(accounts, change.user_days, dispersion, rng))
