"""An account as of the end of one day: windows and the expected level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.oracle.days import Days
    from tests.oracle.model import Account, OracleConfig

Z = 1.2816
"""90 % quantile of the normal distribution, as the formulas quote it."""


def weekday(day: int) -> int:
    """Return 0 for Monday to 6 for Sunday."""
    return (day + 3) % 7


@dataclass(frozen=True)
class Level:
    """Expected actions of a day, and how far they scatter."""

    n: int
    mean: float
    factors: tuple[float, ...]
    dispersion: float

    def expected(self, day: int) -> float:
        """Return `μ` of the day."""
        return self.mean * self.factors[weekday(day)]

    def safe(self, day: int) -> float:
        """Return `μ'` of the day: a level that the true one is very likely above."""
        shrink = max(0.3, 1 - Z * math.sqrt(self.dispersion / (self.mean * self.n)))
        return 0.97 * shrink * self.expected(day)


@dataclass(frozen=True)
class Share:
    """Activity of power users, counted in user-days."""

    power: int
    all: int


class View:
    """Reads one account as of day `day`; events of later days are invisible to its windows."""

    def __init__(self, account: Account, day: int, days: Days, config: OracleConfig) -> None:
        self.account = account
        self.day = day
        self.days = days
        self.config = config
        self.end_ms = days.end(day)
        self.log_arl = math.log(config.arl_days)

    def actions(self, first: int, last: int) -> float:
        """Sum the actions of the days from `first` to `last`."""
        return sum(self.account.actions.get(x, 0) for x in range(first, last + 1)) / 1000.0

    def used_since(self, day: int) -> bool:
        """Tell whether usage began on that day or before."""
        first = self.account.first_usage_day
        return first is not None and first <= day

    @cached_property
    def base_days(self) -> list[int]:
        """`B`: the days that a level is learnt from."""
        return [x for x in range(self.day - 83, self.day - 27) if self.used_since(x)]

    @cached_property
    def level(self) -> Level | None:
        """The expected level, or nothing if there is too little to learn from."""
        base = self.base_days
        n = len(base)
        total = sum(self.account.actions.get(x, 0) for x in base)
        if n < 14 or total <= 0:
            return None
        mean = total / 1000.0 / n
        factors = self._weekday_factors(base, mean)
        expected = [mean * factors[weekday(x)] for x in base]
        actual = [self.account.actions.get(x, 0) / 1000.0 for x in base]
        scatter = sum((a - mu) ** 2 for a, mu in zip(actual, expected, strict=True)) / sum(expected)
        dispersion = min(100.0, max(1.0, scatter) * (1 + Z * math.sqrt(2 / (n - 1))))
        return Level(n, mean, factors, dispersion)

    def _weekday_factors(self, base: list[int], mean: float) -> tuple[float, ...]:
        if len(base) < 28:
            return (1.0,) * 7
        factors = []
        for k in range(7):
            same = [x for x in base if weekday(x) == k]
            total = sum(self.account.actions.get(x, 0) for x in same) / 1000.0
            factors.append((total + mean) / ((len(same) + 1) * mean))
        return tuple(factors)

    def user_days(self, days: Iterable[int]) -> int:
        """Count pairs of a user and one of the days on which the user was active."""
        wanted = set(days)
        return sum(len(active & wanted) for active in self.account.users.values())

    def users_active(self, first: int, last: int) -> int:
        """Count users active between the two days, both included."""
        return _active(self.account.users, first, last)

    def features_used(self, first: int, last: int) -> int:
        """Count features used between the two days, both included."""
        return _active(self.account.features, first, last)

    @cached_property
    def reference_start(self) -> int:
        """First day of the 56 days that power users are taken from."""
        return 28 * ((self.day - 27) // 28) - 56

    @cached_property
    def power_users(self) -> set[str]:
        """Users active in 6 of the 8 weeks of the reference and on 16 of its days."""
        first = self.reference_start
        found = set()
        for user, active in self.account.users.items():
            days = [x for x in range(first, first + 56) if x in active]
            weeks = {(x - first) // 7 for x in days}
            if len(days) >= 16 and len(weeks) >= 6:
                found.add(user)
        return found

    def share(self, first: int, last: int) -> Share:
        """Count the user-days of power users and of all users between two days, both included."""
        wanted = set(range(first, last + 1))
        power = sum(len(self.account.users[user] & wanted) for user in self.power_users)
        return Share(power, self.user_days(wanted))

    @cached_property
    def seats(self) -> int:
        """Seats that the account pays for; 0 if unknown."""
        named = [s.seats for s in self.account.subscriptions.values() if s.active and s.seats is not None]
        if named:
            return sum(named)
        profile = self.account.profile or {}
        return profile.get("seats") or 0


def _active(table: dict[str, set[int]], first: int, last: int) -> int:
    wanted = set(range(first, last + 1))
    return sum(1 for active in table.values() if not active.isdisjoint(wanted))
