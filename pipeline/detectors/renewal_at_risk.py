"""A renewal within 90 days while health is not green."""

from __future__ import annotations

import numpy as np

from pipeline.evidence.view import Finding, View
from pipeline.scorecards.bands import GREEN, GREY, RED, YELLOW
from pipeline.terms.kind import FEATURES_DOWN, USERS_DOWN, Kind, Play, Severity

KIND = Kind(
    name="renewal_at_risk",
    dimension="renewal",
    scope="other",
    yields_to=("subscription_cancelled",),
    family="risk",
    severity="warning",
    level="advanced",
    unit="days",
    direction="down",
    method="limit",
    consequence=True,
    lasting=True,
    clear_days=1,
    joins="the renewal came near",
    contributors=(USERS_DOWN, FEATURES_DOWN),
    play=Play("renewal-plan", "Agree on a renewal plan with the sponsor", 7),
    summary="{name}: renewal in {observed:.0f} days and health is not green",
    condition="the renewal is within 90 days and health is not green",
    resolution="health is green, or the renewal has passed",
)
HORIZON_DAYS = 90
NEAR_DAYS = 30
_SEVERITIES: dict[int, Severity] = {RED: "critical", YELLOW: "error", GREY: "warning"}
"""By band. Who is yellow has nothing critical open."""


def evaluate(view: View) -> Finding:
    """Raised by the band of this close."""
    left = view.days_to_renewal
    raised = (left >= 0) & (left <= HORIZON_DAYS) & (view.band != GREEN)
    score = view.accounts.score[view.rows]
    evidence = np.where((view.band == GREY) | np.isnan(score), 50.0, 100.0 - score)
    return Finding(raised, left.astype(np.float64), np.full(len(view), float(HORIZON_DAYS)), evidence)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether it would not raise."""
    return not finding.raised[place]


def severity(view: View, place: int) -> Severity:
    """As bad as the band is; of what is not known, worse when the renewal is near."""
    band = int(view.band[place])
    return "error" if band == GREY and view.renews_within(NEAR_DAYS, place) else _SEVERITIES[band]
