"""Accounts whose days are drawn straight into the columns that the detectors read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.config import EngineConfig
from pipeline.evidence.census import census, census_of
from pipeline.evidence.successions import People
from pipeline.evidence.view import View
from pipeline.state.accounts import NEVER, week_bit
from pipeline.state.members import clear_day, mark_day
from pipeline.state.panes import RING
from pipeline.state.state import State
from pipeline.terms.arrays import I32, I64, U64, Bools
from pipeline.terms.hashing import combine

BLOCK = 8_192
"""Accounts viewed at a time, as when a day closes."""


class Crowd:
    """A partition's state that is advanced day by day without events.

    Args:
        accounts: how many; they stand in rows 1…accounts.
        first_day: the day from which they are drawn.
        users: of each account.
        roles: of the users of an account, if they are known.
    """

    def __init__(self, accounts: int, first_day: int, users: int = 0, roles: I64 | None = None) -> None:
        self.state = State(EngineConfig())
        self.accounts = accounts
        self.users = users
        self.day = first_day
        hashes = np.arange(1, accounts + 1, dtype=np.uint64)
        rows = self.state.accounts.add([f"a{number}" for number in range(accounts)], hashes)
        self.state.accounts.first_day[rows] = first_day
        for members in (self.state.users, self.state.features):
            members.fit_accounts(self.state.accounts.capacity)
        if users:
            places = self._add_users(rows, hashes)
            if roles is not None:
                self.state.users.role[places] = np.tile(roles.astype(np.uint64), accounts)
                self.state.users.role_day[places] = first_day

    def _add_users(self, rows: I32, hashes: U64) -> I32:
        owners, owner_hashes = np.repeat(rows, self.users), np.repeat(hashes, self.users)
        own = np.tile(np.arange(1, self.users + 1, dtype=np.uint64), len(rows))
        members = self.state.users
        return members.restore(
            owners,
            owner_hashes,
            combine(own, own),
            np.char.mod("u%d", own.astype(np.int64)).astype("S40"),
            np.zeros((len(owners), 2), dtype=np.uint64),
            np.full(len(owners), self.day, dtype=np.int32),
        )

    def live(self, actions: I64, active: Bools | None = None, tickets: I64 | None = None) -> None:
        """Give the current day its actions, active users and tickets: one entry an account, one a user."""
        accounts, day = self.state.accounts, self.day
        rows = 1 + np.flatnonzero(actions > 0)
        accounts.panes["actions"][day % RING, 1 : accounts.size] = 1000 * actions
        mark_day(accounts.bits, rows, day)
        accounts.weeks[rows] |= week_bit(day)
        fresh = rows[accounts.first_usage_day[rows] == NEVER]
        accounts.first_usage_day[fresh] = day
        if tickets is not None:
            accounts.panes["tickets_opened"][day % RING, 1 : accounts.size] = tickets
        if active is not None:
            places = 1 + np.flatnonzero(active)
            mark_day(self.state.users.bits, places, day)
            self.state.users.last_day[places] = day
            accounts.panes["active_users"][day % RING, 1 : accounts.size] = active.reshape(self.accounts, -1).sum(
                axis=1
            )

    def views(self, arl_days: float, bars: Mapping[str, float] | None = None) -> list[View]:
        """The current day as of its close, a block of accounts at a time; `bars` are those of ranked kinds."""
        state, size = self.state, self.state.accounts.size
        people = People(state.users, slice(1, state.users.size), self.day)
        counts = census(people, state.features, state.accounts.first_usage_day[:size], self.day)
        blocks = [slice(start, min(start + BLOCK, size)) for start in range(1, size, BLOCK)]
        return [
            View(
                state.accounts,
                rows,
                self.day,
                state.days,
                EngineConfig(arl_days=arl_days),
                counts.part(rows),
                bars=bars,
            )
            for rows in blocks
        ]

    def view_of(self, rows: I32, arl_days: float) -> View:
        """The current day of a few accounts."""
        state = self.state
        counts = census_of(state.users, state.features, rows, state.accounts.first_usage_day[rows], self.day)
        return View(state.accounts, rows, self.day, state.days, EngineConfig(arl_days=arl_days), counts)

    def pass_midnight(self) -> None:
        """Go on to the next day."""
        self.day += 1
        self.state.accounts.age(self.day, None)
        clear_day(self.state.users.bits[1 : self.state.users.size], self.day)
