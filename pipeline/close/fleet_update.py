"""Counting one partition's accounts as of a closed day, for the update that all partitions merge."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pipeline.detectors.identity import MIN_PEOPLE, renamed
from pipeline.evidence.level import SEASONAL_DAYS
from pipeline.evidence.view import View
from pipeline.kinds import KINDS
from pipeline.state.life import unjudged
from pipeline.state.state import State
from pipeline.terms.fleet_day import MIN_INFORMATION, DayCount, FleetDay, first_names, smallest


class FleetUpdate:
    """Takes a closing day's views and makes the update of the day."""

    def __init__(self, state: State, day: int) -> None:
        self._state = state
        self._day = day
        self._count: DayCount | None = None
        self._renamed = self._peopled = 0

    def add(self, view: View) -> None:
        """Count those accounts of a view whose day says something."""
        judged = ~unjudged(view.life)
        self._renamed += int((renamed(view, view.moves.likely) & judged).sum())
        self._peopled += int(((view.users.active_28 >= MIN_PEOPLE) & judged).sum())
        belonging, level, day = self._state.accounts.belonging, view.level, self._day
        if self._count is None:
            self._count = DayCount(len(belonging.segments))
        expected = level.means(day, day)[0]
        left_out = view.left_out(day, day)
        counted = level.defined & (level.days >= SEASONAL_DAYS) & (expected >= MIN_INFORMATION * level.dispersion)
        if left_out is not None:
            counted &= ~left_out[0]
        counted &= judged
        chosen = np.flatnonzero(counted)
        actions = view.pane("actions", day, day)[0].astype(np.int64)
        week = level.means(day - 6, day).sum(axis=0)[chosen]
        segment = belonging.segment[view.rows][chosen]
        self._count.add(segment, actions[chosen], expected[chosen], view.week_actions[chosen], week)

    def finish(self) -> FleetDay:
        """Of the day, once all its accounts are closed."""
        state = self._state
        names = state.accounts.belonging.segments.names
        tallies = {} if self._count is None else self._count.tallies(names)
        told = tallies, self._alarmed(), self._renamed, self._peopled, self._components()
        return FleetDay(state.number, self._day, self._day, *told)

    def _components(self) -> dict[str, int]:
        accounts = self._state.accounts
        rows = accounts.judged()
        concerned = rows[accounts.component_day[rows] >= self._day].tolist()
        found = Counter(
            name for row in concerned for name, day in accounts.books[row].components.items() if day == self._day
        )
        return {name: found[name] for name in first_names(set(found))}

    def _alarmed(self) -> tuple[int, ...]:
        accounts = self._state.accounts
        rows = [
            row
            for row in np.flatnonzero(accounts.open_episodes[: accounts.size]).tolist()
            if any(KINDS[episode.kind].covers_children for episode in accounts.books[row].episodes)
        ]
        return smallest(accounts.hashes[rows])
