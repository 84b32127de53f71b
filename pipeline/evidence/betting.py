"""Evidence that a daily share has fallen, by betting against it.

Method: for shares in 0…1 whose conditional mean is at least p, `1 + λ(p − s)` is an e-value for any λ ≤ 1/(1 − p), and
`S ← (1 + S) e` an e-detector. Nothing is assumed of how the shares are distributed or depend on each other (Shin,
Ramdas, Rinaldo: E-detectors). Where most are active every day this is surer, sooner, than a count's likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.evidence.level import BASELINE_DAYS, SEASONAL_DAYS, SLACK
from pipeline.terms.arrays import F64, Bools
from pipeline.terms.days import weekday, weekdays

BETS = (0.2, 0.5, 0.9)
"""λ as shares of the largest that is allowed."""
Z_MEAN = 0.2
"""Normal quantile of the lower bound of the baseline's mean."""
MAX_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Usual:
    """A daily share as its baseline lets expect it, one entry an account."""

    defined: Bools
    mean: F64
    factors: F64
    """One row a weekday, one column an account."""
    safe: F64
    """Lower bound of the mean as a share of it, less what is left to days off that nobody announced."""

    def means(self, first: int, last: int) -> F64:
        """Expected shares of the days from `first` to `last`, one row a day."""
        return np.asarray(self.mean * self.factors[weekdays(first, last)])


def usual(shares: F64, counted: Bools, last_day: int) -> Usual:
    """What is usual, from the shares of the 56 days that end with `last_day`, of which some count."""
    roll = weekday(last_day - BASELINE_DAYS + 1)
    folded = np.where(counted, shares, 0.0).reshape(BASELINE_DAYS // 7, 7, -1)
    sums = np.roll(folded.sum(axis=0), roll, axis=0)
    numbers = np.roll(counted.reshape(folded.shape).sum(axis=0), roll, axis=0)
    count = numbers.sum(axis=0)
    mean = sums.sum(axis=0) / np.maximum(count, 1)
    defined = (count >= SEASONAL_DAYS) & (mean > 0)
    factors = (sums + mean) / ((numbers + 1) * np.where(defined, mean, 1.0))
    deviations = folded - np.roll(mean * factors, -roll, axis=0)
    squares = np.where(counted, (deviations * deviations).reshape(BASELINE_DAYS, -1), 0.0).sum(axis=0)
    error = np.sqrt(squares) / np.maximum(count, 1)
    safe = (1.0 - SLACK) * np.maximum(0.0, 1.0 - Z_MEAN * error / np.where(defined, mean, 1.0))
    return Usual(defined, mean, factors, safe)


def log_e_values(shares: F64, means: F64) -> F64:
    """Log e-values, one block a day, one row a bet, one column an account; `means` are lower bounds."""
    safe = np.minimum(MAX_SHARE, means)
    gains = (safe - shares) / (1.0 - safe)
    return np.log1p(np.array(BETS)[:, None] * gains[:, None, :])
