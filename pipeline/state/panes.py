"""The day panes: which values are summed per account and day, and how wide they are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.terms.arrays import I32, I64

Pane = npt.NDArray[np.integer[Any]]
RING = 96
"""Day panes kept: 84 closed days, the oldest amended day's 84, today and the day after."""
PANES: dict[str, str] = {
    "actions": "u4",
    "duration_ds": "u4",
    "tickets_opened": "u2",
    "touches": "u1",
    "active_users": "u2",
    "active_features": "u1",
    "severity_points": "u2",
    "complaints": "u1",
    "payment_troubles": "u1",
}
"""Values summed per day, with the type they start with: `actions` in thousandths, durations in tenths of a second."""
EXACT = frozenset({"actions", "duration_ds"})
"""Panes that widen when a day exceeds their type; the others stop at its largest value."""
SCALES = {"actions": 1000.0, "duration_ds": 600.0}
"""Panes that are judged in another unit: actions, minutes."""
USAGE_PANES = frozenset({"actions", "duration_ds", "active_users", "active_features"})
"""Panes whose days count from the first day of usage."""
WIDE = np.dtype(np.int64)


def empty(name: str, capacity: int) -> Pane:
    """A pane without any value, one row a day."""
    return np.zeros((RING, capacity), dtype=PANES[name])


def added(pane: Pane, days: I64, rows: I32, values: I64) -> Pane:
    """The pane with one value per event added in place; a wider copy where a day no longer fits."""
    places = (days % RING) * pane.shape[1] + rows
    if pane.dtype != WIDE and not _fits(pane, places, values):
        pane = pane.astype(WIDE)
    np.add.at(pane.reshape(-1), places, values.astype(pane.dtype, copy=False))
    return pane


def _fits(pane: Pane, places: I64, values: I64) -> bool:
    most, known = int(np.iinfo(pane.dtype).max), pane.reshape(-1)
    # All values on the fullest day is more than any day gets: mostly that is enough to know.
    if float(values.sum(dtype=np.float64)) + int(known[places].max(initial=0)) <= most:
        return True
    days, inverse = np.unique(places, return_inverse=True)
    sums = np.bincount(inverse, weights=values, minlength=len(days)) + known[days]
    # Sums of floats: a day within rounding of the limit is taken to exceed it.
    return bool((sums < most * (1.0 - 1e-9)).all())


def fitting(pane: Pane, values: Pane) -> Pane:
    """The pane, or a wider copy where the values that it is to take do not fit."""
    return pane.astype(WIDE) if values.dtype == WIDE and pane.dtype != WIDE else pane
