"""How many of some accounts renew, and how much of their revenue, given what is to come of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from pipeline.health.outlook import NINETY

BEYOND = 0.05
"""Of a normal distribution on either side of `NINETY` standard deviations."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """An account that is to renew: its probability of churn, what is off for all alike, and what it is worth."""

    churn: float
    doubt: float
    """Standard deviation in log odds."""
    worth: float = 1.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What renews: the mean, and bounds that hold nine times of ten; and all that is to renew."""

    expected: float
    low: float
    high: float
    of: float


def forecast(renewals: Sequence[Renewal]) -> Forecast:
    """The sum over some accounts, of one currency.

    Accounts leave independently of each other, but what is not known of their probabilities is off for all alike.
    """
    total, expected, spread = _summed(renewals)
    bounds = max(0.0, expected - NINETY * spread), min(total, expected + NINETY * spread)
    return Forecast(expected, *bounds, total)


def part_within(renewals: Sequence[Renewal], renewed: int) -> float:
    """Which part of a number of accounts that renewed lies within the bounds, of accounts that are worth 1 each.

    A whole number stands for all that round to it, so that one on a bound lies within them in part. If the forecast is
    right, these parts are nine tenths in the mean, however few accounts there are.
    """
    total, expected, spread = _summed(renewals)
    below, upto = (NormalDist(expected, max(spread, 1e-9)).cdf(renewed + half) for half in (-0.5, 0.5))
    low, high = 0.0 if renewed <= 0 else below, 1.0 if renewed >= total else upto
    return max(0.0, min(high, 1.0 - BEYOND) - max(low, BEYOND)) / max(high - low, 1e-300)


def _summed(renewals: Sequence[Renewal]) -> tuple[float, float, float]:
    """All that is to renew, what is expected of it, and its standard deviation."""
    total = sum(each.worth for each in renewals)
    lost = sum(each.worth * each.churn for each in renewals)
    chance = sum(each.worth**2 * each.churn * (1.0 - each.churn) for each in renewals)
    doubt = sum(each.worth * each.churn * (1.0 - each.churn) * each.doubt for each in renewals)
    return total, total - lost, sqrt(chance + doubt**2)
