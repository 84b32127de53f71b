"""An account beside its segment: whether it is this one alone, or everyone."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.evidence.view import View
from pipeline.fleet.merged import Fleet
from pipeline.terms.fleet_day import USUAL, buckets, median_bucket, rank


def benchmark(fleet: Fleet, view: View, segment: str | None, place: int) -> dict[str, Any] | None:
    """How the week that ended on the day before the view's was for an account and for those like it.

    Those are its segment, where enough accounts of it were counted that day, else all; nothing without either.
    """
    day = view.day - 1
    scope = segment if segment in fleet.weeks else None
    counts = fleet.weeks.get(scope) if fleet.through == day else None
    if counts is None:
        return None
    return {
        "segment": scope,
        "segment_median_change_pct": 100.0 * (median_bucket(counts) - USUAL) / USUAL,
        "fleet_factor": round(fleet.factor(segment, day), 6),
        "percentile": _percentile(counts, view, day, place),
    }


def _percentile(counts: tuple[int, ...], view: View, day: int, place: int) -> float | None:
    """Share of the accounts whose week was below this one's, in percent; of those in the same bucket, half."""
    expected = view.level.at(np.array([place])).means(day - 6, day).sum(axis=0)
    if not view.level.defined[place] or expected[0] <= 0:
        return None
    actions = view.columns("actions", day - 6, day, np.array([place])).sum(axis=0, dtype=np.int64) / 1000.0
    bucket = int(buckets(actions, expected)[0])
    return round(100.0 * rank(counts, bucket), 1)
