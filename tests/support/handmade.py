"""Accounts made by hand: days of activity written into the columns, and a view of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.books.book import Context
from pipeline.config import EngineConfig
from pipeline.detectors import DETECTORS
from pipeline.detectors.levels import LevelDetector
from pipeline.evidence.census import census, census_of
from pipeline.evidence.successions import People
from pipeline.evidence.view import View
from pipeline.scorecards.bands import GREEN
from pipeline.state.accounts import COUNTS, SUMMARIES
from pipeline.state.life import ENDED, TRIAL
from pipeline.state.members import Members, mark_day
from pipeline.state.panes import RING
from pipeline.state.state import State
from pipeline.state.users import Users
from pipeline.terms.arrays import I32
from pipeline.terms.hashing import hash64, hash_text

TODAY = 20_000
"""2024-10-04, a Friday; its reference of power users ends 32 days before."""
MONTHS = range(TODAY - 83, TODAY + 1)
"""The days that detectors look back on."""


class World:
    """The state of a partition whose open day is TODAY."""

    def __init__(self, config: EngineConfig | None = None) -> None:
        self.state = State(config or EngineConfig(basic_drop_pct=50.0, stage_days=(("adoption", 90),)))
        self.state.enter_day(TODAY)
        self.accounts = self.state.accounts

    def account(self, name: str, first_day: int = MONTHS.start, **summaries: Any) -> int:
        """A new account with some of its summary columns set; returns its row."""
        ids = pa.array([name], pa.string())
        row = int(self.accounts.rows_of(ids, hash64(ids))[0])
        for members in (self.state.users, self.state.features):
            members.fit_accounts(self.accounts.capacity)
        self.accounts.first_day[row] = first_day
        for column, value in summaries.items():
            assert column in SUMMARIES | COUNTS or column == "score"
            getattr(self.accounts, column)[row] = value
        return row

    def use(
        self, row: int, days: Iterable[int], actions: float = 1.0, users: Sequence[str] = (), role: str = ""
    ) -> None:
        """So many actions on each of the days, on which each of the users is active; in a role, if it says so."""
        for day in days:
            self.accounts.panes["actions"][day % RING, row] += round(actions * 1000)
            mark_day(self.accounts.bits, np.array([row]), day)
            self.accounts.first_usage_day[row] = min(int(self.accounts.first_usage_day[row]), day)
            self._mark(self.state.users, row, day, users, role)

    def feature(self, row: int, days: Iterable[int], *names: str) -> None:
        """Features in use on each of the days."""
        for day in days:
            self._mark(self.state.features, row, day, names)

    def pane(self, name: str, row: int, days: Iterable[int], value: int) -> None:
        """The same value on each of the days."""
        for day in days:
            self.accounts.panes[name][day % RING, row] = value

    def view(self, rows: I32 | None = None, day: int = TODAY, arl_days: float = 2800.0) -> View:
        """All accounts as of a day, or some."""
        state, config = self.state, replace(self.state.config, arl_days=arl_days)
        begun = self.accounts.first_usage_day[: self.accounts.size]
        if rows is not None:
            counts = census_of(state.users, state.features, rows, begun[rows], day)
            return View(self.accounts, rows, day, state.days, config, counts)
        every = slice(1, self.accounts.size)
        people = People(state.users, slice(1, state.users.size), day)
        counts = census(people, state.features, begun, day).part(every)
        return View(self.accounts, every, day, state.days, config, counts)

    def _mark(self, members: Members, row: int, day: int, names: Sequence[str], role: str = "") -> None:
        if not names:
            return
        rows = np.full(len(names), row, dtype=np.int32)
        ids = pa.array(names, pa.string())
        events = (rows, self.accounts.hashes[rows], hash64(ids), ids, np.full(len(names), day, dtype=np.int64))
        if role and isinstance(members, Users):
            members.mark_with_roles(*events, members.told(pa.array([role] * len(names), pa.string())))
        else:
            members.mark(*events)


def last(days: int, until: int = TODAY) -> range:
    """The days that end with a day."""
    return range(until - days + 1, until + 1)


def varied_world() -> World:
    """A dozen accounts of all sorts: steady, falling, silent, growing, new, empty, with tickets and renewals."""
    world = World()
    team = [f"u{n}" for n in range(6)]
    plans: dict[str, tuple[range, float, range, float]] = {
        "steady": (MONTHS, 100.0, range(0), 0.0),
        "falling": (range(MONTHS.start, TODAY - 13), 100.0, last(14), 20.0),
        "silent": (range(MONTHS.start, TODAY - 9), 50.0, range(0), 0.0),
        "growing": (range(MONTHS.start, TODAY - 27), 100.0, last(28), 160.0),
        "new": (last(10), 5.0, range(0), 0.0),
        "sparse": (range(MONTHS.start, TODAY + 1, 9), 1.5, range(0), 0.0),
    }
    day_ms = 86_400_000
    for name, (first, actions, then, after) in plans.items():
        row = world.account(name, first.start, seats=6, tickets_seen=True, renewal_at_ms=(TODAY + 30) * day_ms)
        world.use(row, first, actions, team)
        world.use(row, then, after, team[:5])
        world.feature(row, first, "home", "export")
        world.pane("tickets_opened", row, range(TODAY - 60, TODAY, 20), 1)
    world.account("empty", life=TRIAL)
    troubled = world.account("troubled", open_p1=1, oldest_p1_ms=(TODAY - 3) * day_ms, open_tickets=7)
    world.pane("tickets_opened", troubled, last(4), 4)
    handed_over = world.account("handed-over", TODAY - 140)
    world.use(handed_over, range(TODAY - 119, TODAY - 20), 50.0, team[:4])
    world.use(handed_over, range(TODAY - 118, TODAY - 20, 7), 50.0, ["o1", "o2", "o3"])
    adopting = Context(lifecycle_stage="adoption", stage_since_ms=(TODAY - 91) * day_ms)
    world.accounts.belonging.put([troubled], [adopting])
    neglected = world.account("neglected", TODAY - 100, onboarding=True, milestones_left=True, roles_known=True)
    known: dict[str, tuple[int, float]] = {
        "review_ms": (neglected, (TODAY - 120) * day_ms),
        "survey": (2, 1.0),
        "survey_until_ms": (2, (TODAY + 9) * day_ms),
        "quota": (1, 3_000.0),
        "promoter_until_ms": (4, (TODAY + 9) * day_ms),
        "power_now": (handed_over, 20),
        "new_teams": (1, 1),
        "probed_features": (1, 2),
        "delight_ms": (5, (TODAY - 2) * day_ms),
        "life": (3, ENDED),
    }
    for column, (row, value) in known.items():
        getattr(world.accounts, column)[row] = value
    world.use(handed_over, last(21), 50.0, ["u0", "o1", "o2", "o3"])
    rolled_out = world.account("rolled-out", TODAY - 140)
    world.use(rolled_out, range(TODAY - 119, TODAY - 20), 50.0, team[:5])
    world.use(rolled_out, [TODAY - 105], 50.0, [f"n{n}" for n in range(9)])
    world.use(rolled_out, range(TODAY - 118, TODAY - 20, 7), 50.0, ["o1", "o2", "o3"])
    world.use(rolled_out, last(21), 50.0, [team[0], "o1", "o2", "o3", *(f"n{n}" for n in range(9))])
    renamed = world.account("renamed", TODAY - 140)
    world.use(renamed, range(TODAY - 119, TODAY - 7), 50.0, team[:5])
    world.use(renamed, last(8), 50.0, [team[0], *(f"{name}@new" for name in team[1:5])])
    abandoning = world.account("abandoning", TODAY - 140, seats=5)
    world.use(abandoning, range(TODAY - 119, TODAY - 27), 50.0, ["only", "ann", "bob"])
    world.use(abandoning, last(28), 50.0, ["only"])
    world.feature(abandoning, range(TODAY - 119, TODAY - 20), "home", "export", "share")
    world.feature(abandoning, last(21), "home", "share", "api")
    waning = world.account("waning", MONTHS.start)
    world.use(waning, MONTHS, 100.0)
    for pane, before, after in (("active_users", 30, 6), ("active_features", 25, 5), ("touches", 2, 0)):
        world.pane(pane, waning, range(MONTHS.start, TODAY - 27), before)
        world.pane(pane, waning, last(28), after)
    world.pane("duration_ds", waning, range(MONTHS.start, TODAY - 13), 60_000)
    world.pane("duration_ds", waning, last(14), 9_000)
    for detector in DETECTORS:
        if isinstance(detector, LevelDetector) and detector.least:
            world.pane(detector.pane, waning, last(5), int(2 * detector.least))
    joining = world.account("joining", MONTHS.start)
    world.use(joining, MONTHS, 100.0)
    world.pane("active_users", joining, range(MONTHS.start, TODAY - 27), 20)
    world.pane("active_users", joining, last(28), 40)
    loosening = world.account("loosening", TODAY - 140, seats=10)
    crew = [f"c{n}" for n in range(8)]
    world.use(loosening, range(TODAY - 119, TODAY - 20), 50.0, crew)
    for day in last(21):
        world.use(loosening, [day], 50.0, [crew[day % 8], crew[(day + 1) % 8]])
    world.pane("active_users", loosening, range(TODAY - 90, TODAY - 20), 8)
    world.pane("active_users", loosening, last(21), 2)
    deserted = world.account("deserted", TODAY - 140)
    world.use(deserted, range(TODAY - 119, TODAY + 1), 50.0, team[:3], "admin")
    world.use(deserted, range(TODAY - 119, TODAY - 13), 50.0, ["e1", "e2", "e3"], "editor")
    world.use(deserted, range(TODAY - 119, TODAY - 13, 3), 50.0, ["v1", "v2", "v3"], "viewer")
    world.use(deserted, last(14), 50.0, ["v1", "v2", "v3"], "viewer")
    bereft = world.account("bereft", TODAY - 140)
    world.use(bereft, range(TODAY - 119, TODAY + 1), 50.0, ["ann"])
    world.use(bereft, range(TODAY - 119, TODAY - 20), 50.0, ["bob"])
    world.use(world.account("fading", TODAY - 83), range(TODAY - 83, TODAY - 36, 7), 2.0)
    for column in ("champion", "sponsor_user"):
        getattr(world.accounts, column)[bereft] = hash_text("bob")
    world.accounts.band[1 : world.accounts.size] = np.arange(len(world.accounts)) % 4
    world.accounts.band[joining] = GREEN
    return world
