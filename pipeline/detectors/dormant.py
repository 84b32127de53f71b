"""Accounts of too little activity to be judged by its level that are probably gone.

Where weeks without activity are nothing unusual, waiting until chance is ruled out takes longer than is of use, so this
says what is likely, and how likely: its average run length is measured (tests/evaluation), not proved.
"""

from __future__ import annotations

import numpy as np

from pipeline.evidence.alive import WEEKS, alive, weeks_of
from pipeline.evidence.view import Finding, View
from pipeline.state.members import count_weeks, last_days
from pipeline.terms.kind import FEATURES_DOWN, USERS_DOWN, Kind, Play, Severity

KIND = Kind(
    name="dormant",
    dimension="weekly_activity",
    scope="usage",
    yields_to=("silence", "usage_drop"),
    alone=True,
    lasting=True,
    family="risk",
    severity="warning",
    level="intermediate",
    unit="days",
    direction="up",
    method="beta-geometric",
    evidence="probability",
    amended=True,
    contributors=(USERS_DOWN, FEATURES_DOWN),
    play=Play("reach-out", "Ask whether the product is still in use", 5),
    summary=(
        "{name}: no activity for {observed:.0f} days; a week of use every {expected:.0f} days before. Probably gone"
    ),
    condition=(
        "an account that is used in some weeks only is probably gone, to judge by its weeks; critical 90 days before "
        "the renewal"
    ),
    resolution="it is used in two weeks out of four",
)
MAX_ALIVE = 0.3
"""Probability of being a customer still, from which down it is told; less in proportion to the budget."""
LOOSEST_ARL_DAYS = 8000.0
"""Average run length of the statistical kinds above which the budget asks for more certainty here too."""
RENEWAL_DAYS = 90
MIN_ACTIVE_WEEKS = 4
MIN_GAP_DAYS = 14
BACK_WEEKS = 2
"""Active weeks among the last four by which an account is back."""


def evaluate(view: View) -> Finding:
    """Raised after two weeks without activity when the account is probably gone."""
    finding = Finding(
        np.zeros(len(view), dtype=np.bool_), view.gap.astype(np.float64), np.zeros(len(view)), np.zeros(len(view))
    )
    old = view.first_usage_day <= view.day - 7 * WEEKS + 1
    places = np.flatnonzero(old & (view.gap >= MIN_GAP_DAYS) & ~view.level.judged)
    if not len(places):
        return finding
    active, last, weeks = weeks_of(view.active_bits[places], view.day)
    probability = alive(active, last, weeks)
    # A tolerance, because the factors' rounding must not decide.
    long = view.counted_gap(places, view.gap[places]) >= MIN_GAP_DAYS - 1e-9
    finding.expected[places] = 7.0 * last / np.maximum(active, 1)
    finding.evidence[places] = np.where(active > 0, 1.0 - probability, 0.0)
    most = MAX_ALIVE * min(1.0, LOOSEST_ARL_DAYS / view.config.run_length_days)
    finding.raised[places] = long & (active >= MIN_ACTIVE_WEEKS) & (probability <= most)
    return finding


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether the account is active again, in two of the last four weeks."""
    recent = last_days(view.active_bits[place : place + 1], view.day, 28)
    return bool(count_weeks(recent, 4)[0] >= BACK_WEEKS)


def onset(view: View, place: int) -> tuple[int, int, int]:
    """The first day without activity."""
    first = view.day - int(view.gap[place]) + 1
    return first, first, first


def severity(view: View, place: int) -> Severity:
    """Critical when the renewal is near."""
    return "critical" if view.renews_within(RENEWAL_DAYS, place) else KIND.severity
