"""The expected level of an account's daily activity, from its own lagged baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.terms.arrays import F64, I64, Bools, Places, summed
from pipeline.terms.days import weekday, weekdays

BASELINE_DAYS = 56
LAG_DAYS = 28
"""The baseline ends this long before the day judged, so that it does not chase a slow decline."""
WINDOW_DAYS = BASELINE_DAYS + LAG_DAYS
"""Days that a level is learnt from and judged on."""
MIN_DAYS = 7
SEASONAL_DAYS = 28
"""Days of baseline from which on an account is judged by its own history alone."""
SETTLED_AGE = 2 * LAG_DAYS
"""Younger accounts have half of their days as baseline."""
Z_90 = 1.2816
"""Normal quantile of a one-sided 90 % bound: of all bounds in an account's first weeks, and of what it may rise to."""
Z_MEAN, Z_DISPERSION, Z_RISE = 0.1, 0.55, 0.9
OWN_DAYS = 42
"""Normal quantiles of the bounds of an account with so many days of its own; of the dispersion of a rise at any age.

Wider ones cost power and buy nothing: measured false alarms stay below the budget (tests/evaluation).
"""
CLUMPS = 9.0
"""What the excess of dispersion, per daily count, adds to the variance of its estimate: bursts that come seldom are
missed. The moments of a negative binomial give 6; half of that more, because the estimate is skewed."""
SLACK = 0.03
"""Left to days off that nobody announced."""
PRIOR_DISPERSION = 4.0
PRIOR_DISPERSION_DAYS = 14
"""What a young account's dispersion is taken to be, and how many days of its own weigh as much."""
PRIOR_SHAPE = 0.5
"""Shape of the Gamma prior of a daily level, in units of dispersion: the levels of accounts differ widely."""
WANDERED_DAYS = 30.0
"""What the drift of a week adds to the dispersion, per daily count: so that as many false alarms come of levels that
wander as are asked for (tests/evaluation)."""
MIN_INFORMATION = 20.0
"""Expected actions of four weeks over their dispersion, below which not even a drop by three quarters would show."""


@dataclass(slots=True)
class Level:
    """Expected daily values of each account.

    `mean` is 0 where the level is not defined. `safe` is the lower bound of it as a share,
    less 3 % for days off that nobody announced; `upper` the upper bound of the daily mean, likewise, which
    exists without any activity too. Falls are judged with `dispersion`, rises with `rise_dispersion`: one that is
    too low takes the next burst for a rise. `noise` is that of days about a level that
    stays. `lag` days behind the day judged do not belong to the baseline.
    """

    defined: Bools
    days: I64
    lag: I64
    mean: F64
    factors: F64
    """One row per weekday, one column per account."""
    noise: F64
    dispersion: F64
    safe: F64
    rise_dispersion: F64
    upper: F64

    @property
    def judged(self) -> Bools:
        """Whether four weeks say enough to call them good or bad, against four weeks at least."""
        return np.asarray(self.defined & (self.lag >= LAG_DAYS) & (28.0 * self.mean >= MIN_INFORMATION * self.noise))

    @property
    def provisional(self) -> Bools:
        """Whether the level rests on less than four weeks."""
        return np.asarray(self.defined & (self.days < SEASONAL_DAYS))

    def weekday_factors(self, first: int, last: int) -> F64:
        """Weekday factors of the days from `first` to `last`, one row a day."""
        return self.factors[weekdays(first, last)]

    def means(self, first: int, last: int) -> F64:
        """Expected values of the days from `first` to `last`, one row a day."""
        return np.asarray(self.mean * self.weekday_factors(first, last), dtype=np.float64)

    def at(self, places: Places) -> Level:
        """The levels of some of the accounts."""
        columns = {name: getattr(self, name)[places] for name in _COLUMNS}
        return Level(factors=self.factors[:, places], **columns)


def expected_level(
    values: npt.NDArray[np.integer],
    day: int,
    first_day: I64,
    scale: float = 1000.0,
    prior_mean: F64 | None = None,
    left_out: Bools | None = None,
    drift: float = 0.0,
) -> Level:
    """Level as of a day from the values of the 84 days that end with it, `scale` to the unit, one row a day.

    Days before an account's `first_day` and those `left_out` do not count. From 56 days on an account is judged
    against the 56 days that end 28 days ago; a younger one against the first half of its days, with what
    `prior_mean` says for its first weeks. `drift`: variance of a week's change of the logarithm of levels.
    """
    age = day - first_day + 1
    counted = np.arange(day - WINDOW_DAYS + 1, day - LAG_DAYS + 1)[:, None] >= first_day
    if left_out is not None:
        counted &= ~left_out[:BASELINE_DAYS]
    level = _learn(values[:BASELINE_DAYS], day - LAG_DAYS, counted, np.full(len(age), LAG_DAYS), scale, prior_mean)
    young = np.flatnonzero(age < SETTLED_AGE)
    if len(young):
        lag = np.maximum(age[young] // 2, 0)
        days = np.arange(day - SETTLED_AGE + 1, day - MIN_DAYS + 1)[:, None]
        window = values[LAG_DAYS : WINDOW_DAYS - MIN_DAYS, young]
        prior = None if prior_mean is None else prior_mean[young]
        counted = (days >= first_day[young]) & (days <= day - lag)
        if left_out is not None:
            counted &= ~left_out[LAG_DAYS : WINDOW_DAYS - MIN_DAYS, young]
        _replace(level, young, _learn(window, day - MIN_DAYS, counted, lag, scale, prior))
    wandered = WANDERED_DAYS * drift * level.mean
    level.dispersion, level.rise_dispersion = level.noise + wandered, level.rise_dispersion + wandered
    return level


def weekly_drift(values: F64) -> F64:
    """How far levels have wandered by the daily values of whole weeks, one column an account.

    Weeks that are four apart differ more than neighbours by three times what a level's logarithm changes by in a week,
    squared; what scatters about a level that stays is in both.
    """
    weeks = values.reshape(len(values) // 7, 7, -1).sum(axis=1)
    far, near = (summed((weeks[apart:] - weeks[:-apart]) ** 2) / (len(weeks) - apart) for apart in (4, 1))
    return np.asarray((far - near) / 3.0 / (summed(weeks) / len(weeks)) ** 2)


_COLUMNS = ("defined", "days", "lag", "mean", "noise", "dispersion", "safe", "rise_dispersion", "upper")


def _replace(level: Level, places: Places, part: Level) -> None:
    for name in _COLUMNS:
        getattr(level, name)[places] = getattr(part, name)
    level.factors[:, places] = part.factors


def _learn(
    values: npt.NDArray[np.integer], last_day: int, counted: Bools, lag: I64, scale: float, prior_mean: F64 | None
) -> Level:
    """Level from whole weeks of days that end with `last_day`, of which some count."""
    first_day = last_day - len(values) + 1
    weeks = len(values) // 7
    values = np.where(counted, values, 0)
    # Row w of the folded window is weekday (first_day + w); rolled, row 0 is Monday.
    sums = np.roll(values.reshape(weeks, 7, -1).sum(axis=0, dtype=np.int64), weekday(first_day), axis=0)
    numbers = np.roll(counted.reshape(weeks, 7, -1).sum(axis=0), weekday(first_day), axis=0)
    count = numbers.sum(axis=0)
    total = sums.sum(axis=0) / scale
    defined = (count >= MIN_DAYS) & (total > 0)
    known = np.maximum(count, 1)
    mean = np.where(defined, total / known, 0.0)
    weight = np.where(count < BASELINE_DAYS, 2.0, 1.0)
    factors = (sums / scale + weight * mean) / ((numbers + weight) * np.where(defined, mean, 1.0))
    factors = np.where(defined, factors, 1.0)
    means = mean * factors
    deviations = values.reshape(weeks, 7, -1) / scale - np.roll(means, -weekday(first_day), axis=0)
    squares = summed(np.where(counted, (deviations * deviations).reshape(len(values), -1), 0.0))
    expected = (means * numbers).sum(axis=0)
    dispersion = _dispersion(squares / np.where(defined, expected, 1.0), count, mean)
    safe = _lower_mean(total, count, dispersion, prior_mean) / np.where(defined, mean, 1.0)
    bursts = _rise_dispersion(squares, total, count)
    upper = (total + bursts + Z_90 * np.sqrt(bursts * (total + bursts))) / known
    bounds = (1.0 - SLACK) * safe, bursts, np.asarray((1.0 + SLACK) * upper)
    return Level(defined, count, lag, mean, factors, dispersion, dispersion, *bounds)


def _dispersion(ratio: F64, count: I64, mean: F64) -> F64:
    """Upper bound of variance over mean, from its Pearson estimate; with a prior in an account's first weeks."""
    prior = np.where(count < SEASONAL_DAYS, PRIOR_DISPERSION_DAYS, 0)
    quantile = np.where(count < OWN_DAYS, Z_90, Z_DISPERSION)
    pooled = (prior * PRIOR_DISPERSION + count * ratio) / np.maximum(prior + count, 1)
    own = np.where((count < OWN_DAYS) | (mean <= 0), np.inf, mean)
    return _upper_dispersion(np.maximum(1.0, pooled), own, prior + count, quantile)


def _rise_dispersion(squares: F64, total: F64, count: I64) -> F64:
    """The same for rises, with one event more, so that it exists without any."""
    mean = (total + 1.0) / np.maximum(count, 1)
    return _upper_dispersion(np.maximum(1.0, (squares + 1.0) / (total + 1.0)), mean, count, Z_RISE)


def _upper_dispersion(estimate: F64, mean: F64, count: I64, quantile: float | F64) -> F64:
    """Upper bound of a dispersion from its estimate on so many days with a mean count."""
    variance = (2.0 + CLUMPS * (estimate - 1.0) / mean) / np.maximum(count - 1, 1)
    return np.asarray(estimate * (1.0 + quantile * np.sqrt(variance)))


def _lower_mean(total: F64, count: I64, dispersion: F64, prior_mean: F64 | None) -> F64:
    """Lower quantile of the daily mean's Gamma posterior, by Wilson and Hilferty's approximation."""
    quantile = np.where(count < OWN_DAYS, Z_90, Z_MEAN)
    shape, rate = total / dispersion, count / dispersion
    if prior_mean is not None:
        shape, rate = shape + PRIOR_SHAPE, rate + PRIOR_SHAPE / prior_mean
    bound = np.maximum(shape, 1e-9)
    cube = np.maximum(0.0, 1.0 - 1.0 / (9.0 * bound) - quantile / (3.0 * np.sqrt(bound)))
    return np.asarray(shape * cube**3 / np.where(rate > 0, rate, 1.0))
