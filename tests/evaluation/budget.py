"""False alerts against what the budget allows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.config import EngineConfig

YEAR_DAYS = 365.0
BUDGETS = (0.5, 1.0, 2.0)
"""False alerts an owner accepts a week."""
DEFAULT_ARL = EngineConfig().run_length_days
"""Days; the average run length at which recall and delay are measured."""


def arl_days(false_per_owner_per_week: float) -> float:
    """The run length that a budget leaves to each stream of an account."""
    return EngineConfig(false_per_owner_per_week=false_per_owner_per_week).run_length_days


def upper_bound(events: int, exposure: float, confidence: float = 0.95) -> float:
    """The rate above which so few events would be seen with a probability of 1 − confidence (Poisson)."""
    low, high = float(events), events + 10.0 + 6.0 * math.sqrt(events + 1.0)
    for _ in range(60):
        middle = (low + high) / 2.0
        if at_most(events, middle) > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high / exposure


def at_most(events: int, mean: float) -> float:
    """Probability of `events` or fewer."""
    logs = (
        [count * math.log(mean) - mean - math.lgamma(count + 1) for count in range(events + 1)] if mean > 0 else [0.0]
    )
    top = max(logs)
    return math.exp(top) * sum(math.exp(log - top) for log in logs)


@dataclass(frozen=True, slots=True)
class FalseAlerts:
    """What a kind did on accounts to which nothing happened."""

    kind: str
    volume: float
    """Mean counts a day; for shares user-days."""
    dispersion: float
    history: str
    arl_days: float
    account_years: float
    alerts: int

    @property
    def per_year(self) -> float:
        """False alerts per account-year."""
        return self.alerts / self.account_years

    @property
    def upper_per_year(self) -> float:
        """Its 95 % upper bound."""
        return upper_bound(self.alerts, self.account_years)

    @property
    def budget_per_year(self) -> float:
        """What the run length allows."""
        return YEAR_DAYS / self.arl_days
