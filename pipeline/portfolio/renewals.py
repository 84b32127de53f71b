"""How many of some accounts renew, and how much of their revenue, given what is to come of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

NINETY = 1.6449
"""Standard deviations on both sides of a normal distribution that hold nine tenths of it."""


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
    total = sum(each.worth for each in renewals)
    lost = sum(each.worth * each.churn for each in renewals)
    chance = sum(each.worth**2 * each.churn * (1.0 - each.churn) for each in renewals)
    doubt = sum(each.worth * each.churn * (1.0 - each.churn) * each.doubt for each in renewals)
    spread = NINETY * sqrt(chance + doubt**2)
    return Forecast(total - lost, max(0.0, total - lost - spread), min(total, total - lost + spread), total)
