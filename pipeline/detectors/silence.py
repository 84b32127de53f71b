"""No activity for so long that the account is probably gone.

One answer for all rhythms, from daily use to some weeks a year: the probability that it is gone (`evidence/alive.py`).
How probable it must be follows from the alert budget and from what the fleet's own silences came to (`fleet/bars.py`).
"""

from __future__ import annotations

import numpy as np

from pipeline.evidence.alive import gone
from pipeline.evidence.gaps import OUT_OF_SIGHT
from pipeline.evidence.view import Finding, View
from pipeline.terms.arrays import Bools
from pipeline.terms.kind import FEATURES_DOWN, USERS_DOWN, Kind, Play, Severity

KIND = Kind(
    name="silence",
    dimension="activity",
    scope="usage",
    covers_children=True,
    alone=True,
    lasting=True,
    family="risk",
    severity="error",
    level="basic",
    unit="days",
    direction="up",
    method="beta-geometric",
    evidence="probability",
    ranked=True,
    told=3,
    amended=True,
    contributors=(USERS_DOWN, FEATURES_DOWN),
    play=Play("reach-out", "Reach the sponsor: the account has gone silent", 2),
    summary="{name}: no activity for {observed:.0f} days; usually active every {expected:.1f} days",
    condition="no activity for so long that by its own rhythm the account is gone; a warning below 95 %, critical near "
    "the renewal",
    resolution="it was used in the last week, five days running",
)
MIN_GAP_DAYS = 7
MIN_AGE_DAYS = 56
"""Since the first use; of younger accounts too little is known."""
SURE = 0.95
"""Probability below which it is a warning."""
RENEWAL_DAYS = 90
TOLERANCE = 1e-9
"""Of a sum of factors, whose rounding must not decide."""


def evaluate(view: View) -> Finding:
    """Raised when the gap is at least a week and the odds of being gone reach the bar."""
    finding = Finding(
        np.zeros(len(view), dtype=np.bool_), view.gap.astype(np.float64), np.zeros(len(view)), np.zeros(len(view))
    )
    places = np.flatnonzero((view.gap >= MIN_GAP_DAYS) & at_stake(view))
    if not len(places):
        return finding
    # Days on which less was expected make less of a gap.
    gap = view.counted_gap(places, view.gap[places])
    probability, usual = gone(view, places, gap)
    finding.expected[places], finding.evidence[places] = usual, probability
    with np.errstate(divide="ignore"):
        odds = np.log(probability) - np.log1p(-probability)
    finding.raised[places] = (gap >= MIN_GAP_DAYS - TOLERANCE) & (odds >= view.bar(KIND))
    return finding


def at_stake(view: View) -> Bools:
    """Accounts that count in the rate of alarms: old enough, and not long gone."""
    return np.asarray((view.first_usage_day <= view.day - MIN_AGE_DAYS + 1) & (view.gap < OUT_OF_SIGHT))


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether the account was active in the last week."""
    return bool(view.gap[place] < MIN_GAP_DAYS)


def onset(view: View, place: int) -> tuple[int, int, int]:
    """The first day without activity."""
    first = view.day - int(view.gap[place]) + 1
    return first, first, first


def severity(view: View, place: int) -> Severity:
    """Critical when the renewal is near."""
    if view.renews_within(RENEWAL_DAYS, place):
        return "critical"
    return KIND.severity if view.found(KIND).evidence[place] >= SURE else "warning"
