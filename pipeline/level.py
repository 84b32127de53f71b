"""The expected level of an account's daily activity, from its own lagged baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.records import I64

F64 = npt.NDArray[np.float64]
BASELINE_DAYS = 56
LAG_DAYS = 28
"""The baseline ends this long before the day judged, so that it does not chase a slow decline."""
MIN_DAYS = 14
SEASONAL_DAYS = 28
Z_90 = 1.2816
"""Normal quantile of the one-sided 90 % bounds."""
MAX_DISPERSION = 100.0
MIN_INFORMATION = 20.0
"""Expected actions of four weeks over their dispersion, below which not even a drop by three quarters would show."""


def weekday(day: int) -> int:
    """0 for Monday."""
    return (day + 3) % 7


@dataclass(frozen=True, slots=True)
class Level:
    """Expected daily actions of each account.

    `mean` is 0 where the level is not defined. `safe` is the share of it that the truth is above with 90 %
    confidence, less 3 % for days off that nobody announced.
    """

    defined: npt.NDArray[np.bool_]
    days: I64
    mean: F64
    factors: F64
    """One row per weekday, one column per account."""
    dispersion: F64
    safe: F64

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """Whether four weeks say enough to call them good or bad."""
        return np.asarray(self.defined & (28.0 * self.mean >= MIN_INFORMATION * self.dispersion))

    def means(self, first: int, last: int) -> F64:
        """Expected actions of the days from `first` to `last`, one row a day."""
        weekdays = (np.arange(first, last + 1) + 3) % 7
        return np.asarray(self.mean * self.factors[weekdays], dtype=np.float64)


def expected_level(
    values: npt.NDArray[np.integer],
    last_day: int,
    first_usage_day: I64,
    left_out: npt.NDArray[np.bool_] | None = None,
) -> Level:
    """Level from a baseline window of 56 days that ends with `last_day`: thousandths, one row a day.

    Days before an account's first usage day and those `left_out` do not count. Weekday factors are shrunk by one
    mean day each; dispersion (variance over mean) is its Pearson estimate with a 90 % upper bound.
    """
    first_day = last_day - BASELINE_DAYS + 1
    counted = np.arange(first_day, last_day + 1)[:, None] >= first_usage_day
    if left_out is not None:
        counted &= ~left_out
        values = np.where(counted, values, 0)
    weeks = BASELINE_DAYS // 7
    # Row w of the folded window is weekday (first_day + w); rolled, row 0 is Monday.
    sums = np.roll(values.reshape(weeks, 7, -1).sum(axis=0), weekday(first_day), axis=0)
    numbers = np.roll(counted.reshape(weeks, 7, -1).sum(axis=0), weekday(first_day), axis=0)
    count = numbers.sum(axis=0)
    total = sums.sum(axis=0) / 1000.0
    defined = (count >= MIN_DAYS) & (total > 0)
    mean = np.where(defined, total / np.maximum(count, 1), 0.0)
    factors = (sums / 1000.0 + mean) / ((numbers + 1) * np.where(defined, mean, 1.0))
    factors = np.where(defined & (count >= SEASONAL_DAYS), factors, 1.0)
    means = mean * factors
    deviations = values.reshape(weeks, 7, -1) / 1000.0 - np.roll(means, -weekday(first_day), axis=0)
    squares = np.where(counted, (deviations * deviations).reshape(BASELINE_DAYS, -1), 0.0).sum(axis=0)
    expected = (means * numbers).sum(axis=0)
    upper = 1.0 + Z_90 * np.sqrt(2.0 / np.maximum(count - 1, 1))
    ratio = squares / np.where(defined, expected, 1.0)
    dispersion = np.minimum(MAX_DISPERSION, np.maximum(1.0, ratio) * upper)
    width = Z_90 * np.sqrt(dispersion / np.where(defined, mean * count, 1.0))
    return Level(defined, count, mean, factors, dispersion, 0.97 * np.maximum(0.3, 1.0 - width))
