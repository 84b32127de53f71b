"""The day panes: which values are summed per account and day, and how wide they are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.books.billing import PAYMENT_TROUBLES
from pipeline.books.people import HELD
from pipeline.books.tickets import DEFAULT_PRIORITY, LOW_RATING
from pipeline.terms.arrays import I32, I64

Pane = npt.NDArray[np.integer[Any]]
RING = 96
"""Day panes kept: 84 closed days, the oldest amended day's 84, today and the day after."""
_PRIORITIES, _POINTS = pa.array(["p1", "p2", "p3", "p4"]), pa.array([5, 3, 2, 1], pa.int64())


class Counted(NamedTuple):
    """A day value to which events of one topic add something, up to the largest value of its type."""

    type: str
    topic: str
    adds: Callable[[pa.RecordBatch], pa.Array]
    """How often each event counts; null is not at all."""


def _severity_points(events: pa.RecordBatch) -> pa.Array:
    places = pc.index_in(events["priority"].fill_null(DEFAULT_PRIORITY), _PRIORITIES)
    return pc.if_else(_is(events, "opened"), _POINTS.take(places), 0)


def _is(events: pa.RecordBatch, *types: str) -> pa.Array:
    return pc.is_in(events["type"], pa.array(types))


def _complains(events: pa.RecordBatch) -> pa.Array:
    return pc.or_kleene(pc.less(events["sentiment"], 0.0), pc.less_equal(events["csat"], LOW_RATING))


COUNTED: dict[str, Counted] = {
    "tickets_opened": Counted("u2", "ticket.events", lambda events: _is(events, "opened")),
    "severity_points": Counted("u2", "ticket.events", _severity_points),
    "complaints": Counted("u1", "ticket.events", _complains),
    "payment_troubles": Counted("u1", "billing.events", lambda events: _is(events, *PAYMENT_TROUBLES)),
    "touches": Counted("u1", "customer.signals", lambda events: _is(events, *HELD)),
    "unnamed": Counted("u2", "usage.events", lambda events: pc.is_null(events["user_id"])),
}
"""A new day value is one line here."""
PANES: dict[str, str] = {
    "actions": "u4",
    "duration_ds": "u4",
    "active_users": "u2",
    "active_features": "u1",
    **{name: counted.type for name, counted in COUNTED.items()},
}
"""Values summed per day, with the type they start with: `actions` in thousandths, durations in tenths of a second.

These two widen when a day exceeds their type; the others stop at its largest value."""
SCALES = {"actions": 1000.0, "duration_ds": 600.0}
"""Panes that are judged in another unit: actions, minutes."""
USAGE_PANES = frozenset({"actions", "duration_ds", "active_users", "active_features", "unnamed"})
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


def count(pane: Pane, days: I64 | int, rows: I32) -> None:
    """Add one for each of the rows on its day, in place, up to the pane's largest value."""
    slots = np.asarray(days, dtype=np.int64) % RING
    places, numbers = np.unique(slots * pane.shape[1] + rows, return_counts=True)
    values = pane.reshape(-1)
    values[places] = np.minimum(np.iinfo(pane.dtype).max, values[places] + numbers)


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
