"""The expected level of an account's daily activity, from its own lagged baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.records import I64

F64 = npt.NDArray[np.float64]
Z_90 = 1.2816
"""Normal quantile of the one-sided 90 % bounds."""
MAX_DISPERSION = 100.0


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
    factors: tuple[F64, ...]
    dispersion: F64
    safe: F64

    def mean_on(self, day: int) -> F64:
        """Expected actions of a day."""
        return self.mean * self.factors[weekday(day)]


def expected_level(values: Sequence[npt.NDArray[np.integer]], days: Sequence[int], first_usage_day: I64) -> Level:
    """Level from a baseline window: one array of thousandths per day, oldest first.

    Days before an account's first usage day do not count. Weekday factors are shrunk by one mean day each;
    dispersion (variance over mean) is its Pearson estimate with a 90 % upper bound.
    """
    count = np.clip(days[-1] + 1 - np.maximum(first_usage_day, days[0]), 0, None)
    sums, numbers = _by_weekday(values, days, first_usage_day)
    total = np.asarray(sum(sums), dtype=np.int64) / 1000.0
    defined = (count >= 14) & (total > 0)
    mean = np.where(defined, total / np.maximum(count, 1), 0.0)
    divisor = np.where(defined, mean, 1.0)
    seasonal = count >= 28
    factors = tuple(
        np.where(seasonal & defined, (part / 1000.0 + mean) / ((number + 1) * divisor), 1.0)
        for part, number in zip(sums, numbers, strict=True)
    )
    dispersion = _dispersion(values, days, first_usage_day, mean, factors, count, defined)
    width = Z_90 * np.sqrt(dispersion / np.where(defined, mean * count, 1.0))
    return Level(defined, count, mean, factors, dispersion, 0.97 * np.maximum(0.3, 1.0 - width))


def _by_weekday(
    values: Sequence[npt.NDArray[np.integer]], days: Sequence[int], first_usage_day: I64
) -> tuple[list[I64], list[I64]]:
    sums = [np.zeros(len(first_usage_day), dtype=np.int64) for _ in range(7)]
    numbers = [np.zeros(len(first_usage_day), dtype=np.int64) for _ in range(7)]
    for value, day in zip(values, days, strict=True):
        sums[weekday(day)] += value
        numbers[weekday(day)] += first_usage_day <= day
    return sums, numbers


def _dispersion(
    values: Sequence[npt.NDArray[np.integer]],
    days: Sequence[int],
    first_usage_day: I64,
    mean: F64,
    factors: tuple[F64, ...],
    count: I64,
    defined: npt.NDArray[np.bool_],
) -> F64:
    squares = np.zeros(len(mean))
    expected = np.zeros(len(mean))
    means = [mean * factor for factor in factors]
    for value, day in zip(values, days, strict=True):
        counted = first_usage_day <= day
        day_mean = means[weekday(day)]
        squares += np.where(counted, (value / 1000.0 - day_mean) ** 2, 0.0)
        expected += np.where(counted, day_mean, 0.0)
    ratio = squares / np.where(defined, expected, 1.0)
    upper = 1.0 + Z_90 * np.sqrt(2.0 / np.maximum(count - 1, 1))
    return np.minimum(MAX_DISPERSION, np.maximum(1.0, ratio) * upper)
