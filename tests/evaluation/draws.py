"""Seeded draws: levels, weekdays and counts of made-up accounts."""

from __future__ import annotations

import numpy as np

from pipeline.terms.arrays import F64, I64
from pipeline.terms.days import weekday

FIRST_DAY = 20_454
"""A Thursday. Day numbers are the product's."""
_WEEK = np.array([1.25, 1.25, 1.25, 1.2, 1.15, 0.5, 0.4])
_LEVEL_SHAPE = 4.0
_WEEKDAY_SHAPE = 25.0


def levels(volume: float, accounts: int, rng: np.random.Generator) -> F64:
    """Mean counts a day of accounts of one segment: half of the segment's mean either way is common."""
    return volume * rng.gamma(_LEVEL_SHAPE, 1 / _LEVEL_SHAPE, accounts)


def weekdays(accounts: int, rng: np.random.Generator) -> F64:
    """What each account does on Monday…Sunday, relative to its mean: one row a weekday."""
    factors = _WEEK[:, None] * rng.gamma(_WEEKDAY_SHAPE, 1 / _WEEKDAY_SHAPE, (7, accounts))
    return np.asarray(factors / factors.mean(axis=0))


def on_day(factors: F64, day: int) -> F64:
    """The weekday factors of a day."""
    return np.asarray(factors[weekday(day)])


def negative_binomial(mean: F64, dispersion: float, rng: np.random.Generator) -> I64:
    """Counts with variance `dispersion × mean`."""
    if dispersion > 1.0:
        mean = (dispersion - 1.0) * rng.standard_gamma(mean / (dispersion - 1.0))
    return rng.poisson(mean)


def counts(level: F64, dispersion: float, days: int, rng: np.random.Generator, kept: F64 | None = None) -> I64:
    """Daily counts from `FIRST_DAY` on: one row a day, one column an account.

    Args:
        level: mean count a day of each account.
        dispersion: variance over mean.
        days: how many.
        rng: where it is drawn from.
        kept: what is left of the level, by day and account.
    """
    factors = weekdays(len(level), rng)
    drawn = np.empty((days, len(level)), dtype=np.int64)
    for number in range(days):
        mean = level * on_day(factors, FIRST_DAY + number)
        drawn[number] = negative_binomial(mean if kept is None else mean * kept[number], dispersion, rng)
    return drawn
