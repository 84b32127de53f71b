"""What the scores of ranked kinds must reach, so that they use up their share of the alert budget and no more.

Method: a quantile followed online. Whatever the scores are and however they hang together, a bar that rises with each
alarm and falls with each day without one holds the rate of alarms at what was asked for in the long run (Gibbs, Candès:
Adaptive conformal inference under distribution shift, 2021). The proved kinds keep their thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.terms.fleet_day import Ranked

FIRST_BAR = 2.0
"""Of a fleet of which nothing is known: log odds of seven to one, two standard deviations."""
LEAST_BAR, MOST_BAR = 0.0, 5.0
"""Below the least more speaks against an alarm than for it; above the most nothing is doubtful."""
GAIN = 0.7
"""How far a bar moves when the alarms of a quarter are off by their number."""
SETTLED = 50.0
"""Accounts that are added to a fleet's, so that one alarm in a small one moves little."""
QUARTER = 91
"""Days. An alarm that still holds after so many was right, and is given back."""


@dataclass(slots=True)
class Bars:
    """The bars by kind."""

    rate: float
    """False alarms asked for of one kind, by account and day."""
    values: dict[str, float] = field(default_factory=dict)

    def advance(self, ranked: Mapping[str, Ranked]) -> None:
        """Follow a day of the whole fleet."""
        for name, told in ranked.items():
            excess = told.opened - told.lasted - self.rate * told.accounts
            step = GAIN * excess / (self.rate * QUARTER * (told.accounts + SETTLED))
            bar = self.values.get(name, FIRST_BAR) + step
            self.values[name] = min(MOST_BAR, max(LEAST_BAR, bar))
