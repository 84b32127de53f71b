"""Users of accounts and the roles that usage events tell of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.state.members import ID_BYTES, Members, Places
from pipeline.terms.arrays import I32, I64, U64
from pipeline.terms.hashing import hash64

MAX_ROLE_NAMES = 1024
"""Roles of a partition that have a name in alerts; further ones are judged like these and not named."""
NEVER_TOLD = -1
"""Day of a role that was never told."""


class RoleNames:
    """Names of roles by their hash, as they are met."""

    def __init__(self) -> None:
        self.known: dict[int, bytes] = {}
        self.dirty = False
        """Whether any is newer than the last checkpoint."""

    def note(self, hashes: U64, names: pa.Array) -> None:
        """Remember the names that are new, in their order, while there is room."""
        if len(self.known) >= MAX_ROLE_NAMES:
            return
        for role, name in zip(hashes.tolist(), names, strict=True):
            if role and role not in self.known and len(self.known) < MAX_ROLE_NAMES:
                self.known[role] = name.as_py().encode()[:ID_BYTES]
                self.dirty = True

    def of(self, role: int) -> str | None:
        """The name of a role, if it is known."""
        name = self.known.get(role)
        return None if name is None else name.decode("utf-8", "replace")


class Users(Members):
    """Members who are people.

    Of each the two roles that were told last, by the latest day of each; on equal days the larger hash counts as the
    later one. Which two these are does not depend on the order of events: days only grow, so a third role stays behind.
    """

    ROLES = ("role", "role_day", "former_role", "former_day")
    """0 and `NEVER_TOLD` where there is none."""
    COLUMNS = (*Members.COLUMNS, *ROLES)

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.role_names = RoleNames()

    def _allocate(self, capacity: int) -> None:
        super()._allocate(capacity)
        self.role: U64 = np.zeros(capacity, dtype=np.uint64)
        self.role_day: I32 = np.zeros(capacity, dtype=np.int32)
        self.former_role: U64 = np.zeros(capacity, dtype=np.uint64)
        self.former_day: I32 = np.zeros(capacity, dtype=np.int32)

    def told(self, roles: pa.Array) -> U64:
        """The hash of each event's role, 0 where it says none; new names are remembered."""
        encoded = roles.dictionary_encode()
        names = encoded.dictionary
        hashes = hash64(names)
        hashes[pc.binary_length(names).to_numpy(zero_copy_only=False) == 0] = 0
        self.role_names.note(hashes, names)
        places = encoded.indices.fill_null(len(hashes)).to_numpy(zero_copy_only=False)
        return np.asarray(np.append(hashes, np.uint64(0))[places], dtype=np.uint64)

    def mark_with_roles(
        self, rows: I32, account_hashes: U64, hashes: U64, ids: pa.Array, days: I64, roles: U64
    ) -> list[tuple[int, I32]]:
        """Like `mark`, of events that tell of roles too."""
        places = self._tracked(rows, account_hashes, hashes, ids)
        # Of users who are not tracked the bin's role is compared, which is none.
        same = (roles == self.role[np.maximum(places, 0)]) & (roles != 0)
        np.maximum.at(self.role_day, places[same], days[same].astype(np.int32))
        others = np.flatnonzero(~same & (places >= 0) & (roles != 0))
        if len(others):
            self._learn(places[others], roles[others], days[others])
        return self._mark(places, days)

    def _learn(self, places: Places, roles: U64, days: I64) -> None:
        """Take events that tell of another role than the last one of their user."""
        former = self.former_day[places]
        news = np.flatnonzero((days > former) | ((days == former) & (roles > self.former_role[places])))
        if not len(news):
            return
        own = np.unique(places[news])
        users = np.concatenate([own, own, places[news]])
        names = np.concatenate([self.role[own], self.former_role[own], roles[news]])
        last = np.concatenate([self.role_day[own], self.former_day[own], days[news]])
        # Each role of a user once, with its latest day; then the users' roles, the latest first.
        order = np.lexsort((last, names, users))
        users, names, last = users[order], names[order], last[order]
        once = np.append((users[1:] != users[:-1]) | (names[1:] != names[:-1]), True)
        users, names, last = users[once], names[once], last[once]
        order = np.lexsort((names, last, users))[::-1]
        users, names, last = users[order], names[order], last[order]
        first = np.flatnonzero(np.append(True, users[1:] != users[:-1]))
        self.role[users[first]], self.role_day[users[first]] = names[first], last[first]
        # There is always a second one: none at all, if nothing else.
        self.former_role[users[first]], self.former_day[users[first]] = names[first + 1], last[first + 1]

    def _append(self, rows: I32, hashes: U64, keys: U64, ids: npt.NDArray[np.bytes_]) -> I32:
        places = super()._append(rows, hashes, keys, ids)
        self._forget_roles(places)
        return places

    def _release(self, places: I32) -> None:
        super()._release(places)
        self._forget_roles(places)

    def _forget_roles(self, places: I32) -> None:
        self.role[places] = self.former_role[places] = 0
        self.role_day[places] = self.former_day[places] = NEVER_TOLD
