"""Scales of surveys, pulses and reviews, each named by its best answer."""

from __future__ import annotations

DEFAULT_SCALES: dict[str, float] = {"nps": 10, "csat": 5, "ces": 7, "pulse": 5, "qa_scored": 100}
"""Signal types that carry an answer, and the scale each has unless it says otherwise."""
LEAST, MOST = 2.0, 1000.0
"""What a best answer may be."""
FIRST_FROM_ZERO = 10.0
"""Scales below it begin at 1: 1 to 5, 1 to 7; from it on they begin at 0."""


def bounds_of(best: float) -> tuple[float, float] | None:
    """Lowest and highest answer of a scale; None where nobody has such a scale."""
    if not LEAST <= best <= MOST:
        return None
    return (0.0 if best >= FIRST_FROM_ZERO else 1.0), float(best)


def share_of(score: float, best: float) -> float | None:
    """An answer in 0…1; None beyond its scale."""
    bounds = bounds_of(best)
    if bounds is None or not bounds[0] <= score <= bounds[1]:
        return None
    return (score - bounds[0]) / (bounds[1] - bounds[0])
