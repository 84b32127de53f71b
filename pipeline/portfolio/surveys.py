"""Answers of surveys as one figure, with how many there were and how far it may be off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from schemas.scales import bounds_of, share_of

Z_95 = 1.959964
PROMOTER, DETRACTOR = 9.0, 6.0
SATISFIED = 4.0
EASY = 5.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of `n` answers; `low` and `high` bound it with 95 % confidence. None without answers."""

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None


def wilson(hits: int, n: int) -> Estimate:
    """A share with Wilson's score interval, which is sound for few answers and at 0 and 1.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if n <= 0:
        return Estimate(None, 0)
    share, square = hits / n, Z_95 * Z_95
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z_95 * sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    # At 0 and at 1 the bound is exact, which rounding would miss.
    return Estimate(share, n, 0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half)


def nps(scores: Sequence[float]) -> Estimate:
    """Net promoter score, −100…100: percentage of 9 and 10 less that of 0 to 6, on answers from 0 to 10.

    The interval combines the Wilson intervals of both shares, whose estimates are negatively correlated.

    Sources: Reichheld 2003, "The one number you need to grow"; Newcombe 1998 and Zou & Donner 2008 for the
    interval of a difference from those of its parts.
    """
    n = len(scores)
    if n == 0:
        return Estimate(None, 0)
    up = wilson(sum(score >= PROMOTER for score in scores), n)
    down = wilson(sum(score <= DETRACTOR for score in scores), n)
    p, q = up.value or 0.0, down.value or 0.0
    spread = sqrt(p * (1 - p) * q * (1 - q))
    together = p * q / spread if spread > 0 else 0.0
    below, above = p - (up.low or 0.0), (up.high or 0.0) - p
    down_above, down_below = (down.high or 0.0) - q, q - (down.low or 0.0)
    low = p - q - sqrt(below**2 + down_above**2 + 2 * together * below * down_above)
    high = p - q + sqrt(above**2 + down_below**2 + 2 * together * above * down_below)
    return Estimate(100 * (p - q), n, max(-100.0, 100 * low), min(100.0, 100 * high))


def csat_share(scores: Sequence[float]) -> Estimate:
    """Share of answers of 4 or 5 on a scale from 1 to 5."""
    return wilson(sum(score >= SATISFIED for score in scores), len(scores))


def mean_score(scores: Sequence[float]) -> Estimate:
    """Mean answer, with the interval of a normal mean when there are two or more."""
    n = len(scores)
    if n == 0:
        return Estimate(None, 0)
    mean = sum(scores) / n
    if n == 1:
        return Estimate(mean, 1)
    half = Z_95 * sqrt(sum((score - mean) ** 2 for score in scores) / (n - 1) / n)
    return Estimate(mean, n, mean - half, mean + half)


def share_above(scores: Sequence[float], limit: float = 3.5) -> Estimate:
    """Share of answers above a limit, by default 3.5 of 5."""
    return wilson(sum(score > limit for score in scores), len(scores))


def ces_mean(scores: Sequence[float]) -> Estimate:
    """Customer effort score: mean answer to "it was easy" from 1 (much effort) to 7 (none).

    Source: Dixon, Freeman & Toman 2010, in its form with a scale of agreement.
    """
    return mean_score(scores)


def ces_easy(scores: Sequence[float]) -> Estimate:
    """Share of answers of 5, 6 or 7 of 7: those who found it easy."""
    return wilson(sum(score >= EASY for score in scores), len(scores))


def change(now: Estimate, before: Estimate) -> Estimate:
    """The difference of two independent figures, bounded by what both are sure of; it is surely down if `high < 0`.

    Source: Zou & Donner 2008, "Construction of confidence intervals about effect measures".
    """
    if now.value is None or now.low is None or now.high is None:
        return Estimate(None, 0)
    if before.value is None or before.low is None or before.high is None:
        return Estimate(None, 0)
    moved = now.value - before.value
    below = sqrt((now.value - now.low) ** 2 + (before.high - before.value) ** 2)
    above = sqrt((now.high - now.value) ** 2 + (before.value - before.low) ** 2)
    return Estimate(moved, now.n, moved - below, moved + above)


def rescaled(score: float, scale: float, to: float) -> float | None:
    """An answer on another scale, each named by its best answer; None for one beyond its scale."""
    share, bounds = share_of(score, scale), bounds_of(to)
    if share is None or bounds is None:
        return None
    return bounds[0] + share * (bounds[1] - bounds[0])
