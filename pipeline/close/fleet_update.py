"""Counting one partition's accounts as of a closed day, for the update that all partitions merge."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pipeline.close.outcomes import known_outcomes
from pipeline.detectors import RANKED
from pipeline.detectors.condition import MIN_PEOPLE
from pipeline.detectors.identity import renamed
from pipeline.evidence.level import LAG_DAYS, OWN_DAYS, SEASONAL_DAYS, WINDOW_DAYS, weekly_drift
from pipeline.evidence.view import MIN_USED_DAYS, View
from pipeline.fleet.bars import QUARTER
from pipeline.kinds import KNOWN
from pipeline.state.life import unjudged
from pipeline.state.state import State
from pipeline.terms.arrays import I64, Bools
from pipeline.terms.fleet_day import (
    DRIFTS,
    LEVELS,
    MIN_INFORMATION,
    DayCount,
    FleetDay,
    Ranked,
    by_scope,
    drift_buckets,
    first_names,
    level_buckets,
    smallest,
)


class FleetUpdate:
    """Takes a closing day's views and makes the update of the day."""

    def __init__(self, state: State, day: int) -> None:
        self._state = state
        self._day = day
        self._count: DayCount | None = None
        self._renamed = self._peopled = self._used = 0
        self._drifts = np.zeros(DRIFTS, dtype=np.int64)
        self._outcomes: Counter[int] = Counter()
        self._levels = np.zeros((len(state.accounts.belonging.segments), LEVELS), dtype=np.int64)
        self._at_stake = dict.fromkeys((detector.KIND.name for detector in RANKED), 0)

    def add(self, view: View) -> None:
        """Count those accounts of a view whose day says something."""
        judged = ~unjudged(view.life)
        self._outcomes.update(known_outcomes(view))
        for detector in RANKED:
            self._at_stake[detector.KIND.name] += int((detector.at_stake(view) & judged).sum())
        self._renamed += int((renamed(view, view.moves.likely) & judged).sum())
        self._drifts += self._drifts_of(view, judged)
        self._used += int(((view.gap == 0) & judged).sum())
        self._peopled += int(((view.users.active_28 >= MIN_PEOPLE) & judged).sum())
        belonging, level, day = self._state.accounts.belonging, view.level, self._day
        used = np.flatnonzero(judged & (view.first_usage_day <= day - MIN_USED_DAYS + 1))
        np.add.at(self._levels, (belonging.segment[view.rows][used], level_buckets(view.weekly_actions[used])), 1)
        if self._count is None:
            self._count = DayCount(len(belonging.segments))
        expected = level.means(day, day)[0]
        left_out = view.left_out(day, day)
        counted = level.defined & (level.days >= SEASONAL_DAYS) & (expected >= MIN_INFORMATION * level.noise)
        if left_out is not None:
            counted &= ~left_out[0]
        counted &= judged
        chosen = np.flatnonzero(counted)
        actions = view.pane("actions", day, day)[0].astype(np.int64)
        week = level.means(day - 6, day).sum(axis=0)[chosen]
        segment = belonging.segment[view.rows][chosen]
        self._count.add(segment, actions[chosen], expected[chosen], view.week_actions[chosen], week)

    def _drifts_of(self, view: View, judged: Bools) -> I64:
        level, first, last = view.level, view.day - WINDOW_DAYS + 1, view.day - LAG_DAYS
        enough = level.defined & (level.days >= OWN_DAYS) & (level.mean >= MIN_INFORMATION * level.noise)
        places = np.flatnonzero(judged & enough & (view.first_usage_day <= first))
        values = view.columns("actions", first, last, places) / view.scale("actions")
        left_out = view.left_out(first, last)
        if left_out is not None:
            usual = level.at(places).means(first, last)
            values = np.where(np.broadcast_to(left_out, (len(values), len(view)))[:, places], usual, values)
        return np.bincount(drift_buckets(weekly_drift(values)), minlength=DRIFTS)

    def finish(self) -> FleetDay:
        """Of the day, once all its accounts are closed."""
        state = self._state
        names = state.accounts.belonging.segments.names
        tallies = {} if self._count is None else self._count.tallies(names)
        alarmed, ages = self._open()
        told = (
            (name, Ranked(accounts, ages[name, 0], ages[name, QUARTER])) for name, accounts in self._at_stake.items()
        )
        ranked = {name: each for name, each in told if each != Ranked()}
        levels = by_scope(self._levels, names, lambda rows: tuple(self._levels[rows].sum(axis=0).tolist()))
        people, drifts = (self._renamed, self._peopled), tuple(self._drifts.tolist()) if self._drifts.any() else ()
        more = (self._components(), self._outcomes, self._used, drifts)
        figures = (tallies, alarmed, *people, ranked, levels, *more)
        return FleetDay(state.number, self._day, self._day, *figures)

    def _components(self) -> dict[str, int]:
        accounts = self._state.accounts
        rows = accounts.judged()
        concerned = rows[accounts.component_day[rows] >= self._day].tolist()
        found = Counter(
            name for row in concerned for name, day in accounts.books[row].components.items() if day == self._day
        )
        return {name: found[name] for name in first_names(set(found))}

    def _open(self) -> tuple[tuple[int, ...], Counter[tuple[str, int]]]:
        """Accounts with an open alert on their usage, and how many alerts are open by kind and age in days."""
        accounts, alarmed, ages = self._state.accounts, [], Counter[tuple[str, int]]()
        for row in np.flatnonzero(accounts.open_episodes[: accounts.size]).tolist():
            episodes = accounts.books[row].episodes
            ages.update((episode.kind, self._day - episode.opened_day) for episode in episodes)
            if any(KNOWN[episode.kind].covers_children for episode in episodes):
                alarmed.append(row)
        return smallest(accounts.hashes[alarmed]), ages
