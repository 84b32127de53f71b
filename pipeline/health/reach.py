"""How far the product has got in each account of a partition: members counted when a dimension asks."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from pipeline.evidence.successions import People
from pipeline.state.members import Members, last_days
from pipeline.terms.arrays import I32, I64, U64, Bools
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
        return self._count(users, self._last_84(self._people.days(slice(1, users.size))))

    @cached_property
    def roles(self) -> tuple[I64, I64]:
        """Roles of the user ids active in the last 28 days, and in the last 84."""
        users = self._people.users
        bits, roles, owners = (getattr(users, name)[1 : users.size] for name in ("bits", "role", "owner"))
        near, far = last_days(bits, self._day, 28) != 0, self._last_84(bits)
        return self._distinct(owners, roles, near), self._distinct(owners, roles, far)

    @cached_property
    def features_adopted(self) -> I64:
        """Features in use on 4 of the last 28 days."""
        days = np.bitwise_count(last_days(self._features.bits[1 : self._features.size], self._day, 28))
        return self._count(self._features, days >= ADOPTED_DAYS)

    @cached_property
    def features_84(self) -> I64:
        """Features used in the last 84 days."""
        return self._count(self._features, self._last_84(self._features.bits[1 : self._features.size]))

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

    def _last_84(self, bits: U64) -> Bools:
        """Members active in the last 84 days: twice the reach of one word."""
        return np.asarray((last_days(bits, self._day, 64) | last_days(bits, self._day - 64, 20)) != 0)

    def _distinct(self, owners: I32, roles: U64, chosen: Bools) -> I64:
        """By account, the different roles of some members."""
        chosen = chosen & (roles != 0)
        owners, roles = owners[chosen], roles[chosen]
        order = np.lexsort((roles, owners))
        owners, roles = owners[order], roles[order]
        first = np.ones(len(owners), dtype=np.bool_)
        first[1:] = (owners[1:] != owners[:-1]) | (roles[1:] != roles[:-1])
        return np.bincount(owners[first], minlength=self._accounts)[: self._accounts].astype(np.int64)

    def _count(self, members: Members, chosen: Bools) -> I64:
        owners = members.owner[1 : members.size][chosen]
        # Freed members point to row 0 and have no active day.
        return np.bincount(owners, minlength=self._accounts)[: self._accounts].astype(np.int64)
