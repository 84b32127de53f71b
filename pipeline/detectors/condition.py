"""Detectors of a plain condition, raised while it holds; and a condition that several detectors share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.evidence.share import REFERENCE_DAYS
from pipeline.evidence.view import F64, Bools, Finding, View
from pipeline.scorecards.bands import RED
from schemas.topics import DAY_MS

RECOVERED_SHARE = 0.9
"""Of the power users' share, from which on they count as back."""

IDLE_AFTER_EXPANSION_MS = 28 * DAY_MS
"""No further expansion is looked for so soon after one."""


@dataclass(slots=True)
class Condition:
    """A kind whose condition is the whole method."""

    KIND: str
    DIMENSION: str
    evaluate: Callable[[View], Finding]

    def cleared(self, view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
        """Whether the condition does not hold any more."""
        return not finding.raised[place]


def ripe(view: View) -> Bools:
    """Where more may be offered: health is not red, and nothing was bought within four weeks."""
    idle = view.column("expanded_ms") <= view.end_ms - IDLE_AFTER_EXPANSION_MS
    return np.asarray((view.band != RED) & idle)


def holds(raised: Bools, observed: F64, expected: float) -> Finding:
    """A finding whose evidence is the share of what was expected."""
    observed = np.where(raised, observed, 0.0)
    return Finding(raised, observed, np.full(len(raised), expected), observed / expected)


def power_share_fallen(view: View, where: Bools) -> Finding:
    """Findings of accounts whose power users' share has fallen, raised at some of them."""
    power = view.power
    observed = power.week / np.maximum(power.known_week, 1)
    known = view.first_usage_day <= power.reference_start - REFERENCE_DAYS
    evidence = np.where(known, power.evidence, -np.inf)
    return Finding((evidence >= view.threshold) & where, observed, power.share, evidence)


def power_share_back(view: View, place: int, expected_at_opening: float) -> bool:
    """Whether last week's share is back near what was expected when the episode opened."""
    part, whole = view.power.week[place], view.power.known_week[place]
    return bool(whole > 0 and part >= RECOVERED_SHARE * expected_at_opening * whole)
