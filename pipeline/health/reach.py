"""How far the product has got in each account of a partition: members counted when a dimension asks."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from pipeline.evidence.successions import People
from pipeline.state.members import Members, last_days
from pipeline.terms.arrays import I64
from pipeline.terms.hashing import hash_text

ADOPTED_DAYS = 4
"""A feature is adopted when it was used on so many of the last 28 days."""


class Reach:
    """Arrays with one entry per account row."""

    def __init__(self, people: People, features: Members, accounts: int, day: int) -> None:
        self._people, self._features, self._accounts, self._day = people, features, accounts, day
        self._days_used: dict[str, I64] = {}

    @cached_property
    def users_84(self) -> I64:
        """Users active in the last 84 days."""
        users = self._people.users
        bits = self._people.days(slice(1, users.size))
        # Twice the reach of one word.
        recent = last_days(bits, self._day, 64) | last_days(bits, self._day - 64, 20)
        return self._count(users, recent != 0)

    @cached_property
    def features_adopted(self) -> I64:
        """Features in use on 4 of the last 28 days."""
        days = np.bitwise_count(last_days(self._features.bits[1 : self._features.size], self._day, 28))
        return self._count(self._features, days >= ADOPTED_DAYS)

    @cached_property
    def features_84(self) -> I64:
        """Features used in the last 84 days."""
        bits = self._features.bits[1 : self._features.size]
        recent = last_days(bits, self._day, 64) | last_days(bits, self._day - 64, 20)
        return self._count(self._features, recent != 0)

    def days_used(self, feature: str) -> I64:
        """Of the last 28 days, those on which one feature was used."""
        if feature not in self._days_used:
            used = slice(1, self._features.size)
            chosen = self._features.hashes[used] == np.uint64(hash_text(feature))
            days = np.bitwise_count(last_days(self._features.bits[used], self._day, 28))
            owners = self._features.owner[used][chosen]
            counted = np.bincount(owners, weights=days[chosen], minlength=self._accounts)
            self._days_used[feature] = counted[: self._accounts].astype(np.int64)
        return self._days_used[feature]

    def _count(self, members: Members, chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> I64:
        owners = members.owner[1 : members.size][chosen]
        # Freed members point to row 0 and have no active day.
        return np.bincount(owners, minlength=self._accounts)[: self._accounts].astype(np.int64)
