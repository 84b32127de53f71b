"""Why a score is another than when its band was last held: points by criterion that add up to the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.health.score import Score
from pipeline.state.standings import MISSING
from pipeline.terms.arrays import F64

Remembered = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Held:
    """One account's score when its band was last held, and the values behind it."""

    score: float
    values: F64


def remembered(score: Score) -> Remembered:
    """Values of all criteria, one row an account."""
    values = np.rint((MISSING - 1) * np.array([reading.value for reading in score.readings]))
    return np.asarray(np.nan_to_num(values, copy=False, nan=MISSING).astype(np.uint16).T)


def held(held_score: float, values: Remembered, score: Score) -> Held:
    """What a standing remembers of an account on a scorecard."""
    known = values[: len(score.readings)]
    return Held(held_score, np.where(known == MISSING, np.nan, known / (MISSING - 1.0)))


def points_since(score: Score, place: int, before: Held) -> list[tuple[str, float]]:
    """Each criterion's part in the difference, what moved it most first.

    Of criteria that were there and are, their own change; of one that came or went, what it does to the mean of these.
    """
    weights = np.array([criterion.weight for criterion in score.card.criteria], dtype=np.float64)
    now, then = np.array([reading.value[place] for reading in score.readings]), before.values
    came, went, both = (~np.isnan(now)) & np.isnan(then), np.isnan(now) & ~np.isnan(then), ~np.isnan(now + then)
    common, whole_now, whole_then = (weights[chosen].sum() for chosen in (both, both | came, both | went))
    if not (whole_now and whole_then):
        return []
    mean_now, mean_then = (
        float((weights * values)[both].sum() / common) if common else before.score / 100.0 for values in (now, then)
    )
    moved = np.zeros(len(weights))
    moved[both] = (weights * (now - then))[both] / max(common, 1.0)
    moved[came] = (weights * (now - mean_now))[came] / whole_now
    moved[went] = (weights * (mean_then - then))[went] / whole_then
    return _adding_up([criterion.dimension for criterion in score.card.criteria], 100.0 * moved, score, place, before)


def _adding_up(names: Sequence[str], points: F64, score: Score, place: int, before: Held) -> list[tuple[str, float]]:
    """In hundredths; what rounding leaves, of scores too, is the largest part's."""
    change, points = float(score.score[place]) - before.score, np.round(points, 2)
    points[np.argmax(np.abs(points))] += change - points.sum()
    sign = -1.0 if change < 0 else 1.0
    order = sorted(range(len(names)), key=lambda number: (-sign * points[number], number))
    return [(names[number], round(float(points[number]), 2)) for number in order if round(points[number], 2)]
