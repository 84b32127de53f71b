"""What became of accounts: the cell of each is noted every four weeks, and told with what has happened since.

A note is the level of use, sixteen bits up, and one more than the cell; 0 for none. An account's days are its own, so
that every day has its share of the accounts. It keeps ten notes, by the number of its four weeks.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from pipeline.evidence.cells import cells, foretold
from pipeline.evidence.gaps import OUT_OF_SIGHT
from pipeline.evidence.view import View
from pipeline.fleet.outlook import AGES, TAKEN_DAYS
from pipeline.fleet.traits import basis_of
from pipeline.state.life import ENDED, TEST
from pipeline.state.state import State
from pipeline.terms.arrays import I64, Bools, Places
from pipeline.terms.fleet_day import level_buckets

NOTES = 10
LEFT_DAYS = 182
"""Without use, after which an account without billing has left."""
DOUBLED, LEAST_LEVEL = 4, 9
"""Levels of use to a doubling, and the least that is a use to double or to halve."""


def take_cells(state: State, view: View, rows: slice, live: Bools, resting: Bools) -> None:
    """Note the cells of those accounts whose day it is; those that go to rest are forgotten."""
    notes = state.accounts.cells[rows]
    forgotten = resting & notes.any(axis=1)
    notes[forgotten] = 0
    places = np.flatnonzero(live & (_phase(view) == 0))
    found = np.zeros(len(places), dtype=np.int64)
    known = foretold(view)[places]
    found[known] = 1 + cells(view, places[known], state.fleet.levels)
    found[known] |= level_buckets(view.weekly_actions[places[known]]) << 16
    notes[places, _slots(view, places, 0)] = found
    state.accounts.dirty[rows][forgotten] = True
    state.accounts.dirty[rows][places] = True


def known_outcomes(view: View) -> Counter[int]:
    """Accounts by eight times a cell whose outcomes are known by now, plus the bits of what happened."""
    told: Counter[int] = Counter()
    awake = view.accounts.awake(view.day)[view.rows] & (view.life != TEST)
    for basis, age in enumerate(AGES):
        places = np.flatnonzero(awake & (_phase(view) == age % TAKEN_DAYS))
        note = view.column("cells")[places, _slots(view, places, age)].astype(np.int64)
        cell = (note & 0xFFFF) - 1
        own = (note > 0) & (basis_of(cell) == basis)
        places, level, cell = places[own], note[own] >> 16, cell[own]
        happened = _by_use(view, places, level) if basis else _by_billing(view, places, age)
        told.update((8 * cell + happened).tolist())
    return told


def _phase(view: View) -> I64:
    """Days since each account's own."""
    return (view.day + _own(view)) % TAKEN_DAYS


def _own(view: View) -> I64:
    return (view.column("hashes") % np.uint64(TAKEN_DAYS)).astype(np.int64)


def _slots(view: View, places: Places, age: int) -> I64:
    """Where the notes stand that are so many days old."""
    return (view.day - age + _own(view)[places]) // TAKEN_DAYS % NOTES


def _by_billing(view: View, places: Places, age: int) -> I64:
    since_ms = view.days.end_ms(view.day - age)
    left = view.life[places] == ENDED
    fell, grew = (view.column(name)[places] > since_ms for name in ("revenue_fell_ms", "expanded_ms"))
    return _bits(left, fell, grew)


def _by_use(view: View, places: Places, then: I64) -> I64:
    last, first = (view.day - OUT_OF_SIGHT + 7) // 7, (view.day - LEFT_DAYS + 1) // 7
    weeks = np.uint64(sum(1 << week % 64 for week in range(first, last + 1)))
    left = (view.gap[places] >= OUT_OF_SIGHT) & (view.column("weeks")[places] & weeks == 0)
    now = level_buckets(view.weekly_actions[places])
    fell = (now <= then - DOUBLED) & (then >= LEAST_LEVEL)
    return _bits(left, fell, (now >= then + DOUBLED) & (now >= LEAST_LEVEL))


def _bits(left: Bools, fell: Bools, grew: Bools) -> I64:
    """What happened; of those who left nothing else."""
    return np.where(left, 1, 2 * fell + 4 * grew).astype(np.int64)
