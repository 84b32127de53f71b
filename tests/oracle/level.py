"""What is expected of one account's daily values, learnt from a part of its past."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Z = 1.2816
"""90 % quantile of the normal distribution, as the formulas quote it."""


def weekday(day: int) -> int:
    """Return 0 for Monday to 6 for Sunday."""
    return (day + 3) % 7


@dataclass(frozen=True)
class Level:
    """Expected value of a day, and how far the values scatter."""

    n: int
    lag: int
    mean: float
    factors: tuple[float, ...]
    noise: float
    dispersion: float
    safe_share: float
    rise_dispersion: float
    upper: float

    def usual(self, day: int) -> float:
        """Return what the weekday lets expect."""
        return self.mean * self.factors[weekday(day)]

    def high(self, day: int) -> float:
        """Return a level of the day that the true one is very likely below."""
        return self.upper * self.factors[weekday(day)]


def base_days(day: int, first: int | None) -> tuple[list[int], int]:
    """Return the days `B` that a level is learnt from as of a day, and how many days lie behind them."""
    if first is None:
        return [], 28
    age = day - first + 1
    lag = 28 if age >= 56 else max(0, age // 2)
    earliest = day - 83 if age >= 56 else day - 55
    latest = day - lag if age >= 56 else min(day - lag, day - 7)
    return list(range(max(first, earliest), latest + 1)), lag


def learn(
    value: Callable[[int], float],
    day: int,
    first: int | None,
    prior_mean: float | None = None,
    left_out: Callable[[int], bool] | None = None,
    drift: float = 0.0,
) -> Level | None:
    """Learn a level of the values by day, or nothing if there are fewer than seven days.

    `drift`: what levels wander by in a week, squared.
    """
    base, lag = base_days(day, first)
    base = [x for x in base if left_out is None or not left_out(x)]
    n = len(base)
    if n < 7:
        return None
    values = {x: value(x) for x in base}
    total = sum(values.values())
    mean = total / n
    factors = _weekday_factors(values, mean)
    scatter = squares = 0.0
    if mean > 0:
        expected = {x: mean * factors[weekday(x)] for x in base}
        squares = sum((values[x] - expected[x]) ** 2 for x in base)
        scatter = squares / sum(expected.values())
    z_mean, z_dispersion = (Z, Z) if n < 42 else (0.1, 0.55)
    borrowed = 14 if n < 28 else 0
    pooled = max(1.0, (borrowed * 4 + n * scatter) / (borrowed + n))
    clumps = 9 * (pooled - 1) / mean if n >= 42 and mean > 0 else 0.0
    dispersion = pooled * (1 + z_dispersion * math.sqrt((2 + clumps) / (borrowed + n - 1)))
    estimate = max(1.0, (squares + 1) / (total + 1))
    spread = 2 + 9 * (estimate - 1) / ((total + 1) / n)
    bursts = estimate * (1 + 0.9 * math.sqrt(spread / (n - 1)))
    shape, rate = total / dispersion, n / dispersion
    if prior_mean is not None:
        shape, rate = shape + 0.5, rate + 0.5 / prior_mean
    low = shape * max(0.0, 1 - 1 / (9 * shape) - z_mean / (3 * math.sqrt(shape))) ** 3 / rate if shape > 0 else 0.0
    high = (total + bursts + Z * math.sqrt(bursts * (total + bursts))) / n
    share = 0.97 * low / mean if mean > 0 else 0.0
    wandered = 30 * drift * mean
    return Level(n, lag, mean, factors, dispersion, dispersion + wandered, share, bursts + wandered, 1.03 * high)


def _weekday_factors(values: dict[int, float], mean: float) -> tuple[float, ...]:
    if mean <= 0:
        return (1.0,) * 7
    weight = 1 if len(values) >= 56 else 2
    factors = []
    for k in range(7):
        same = [value for x, value in values.items() if weekday(x) == k]
        factors.append((sum(same) + weight * mean) / ((len(same) + weight) * mean))
    return tuple(factors)
