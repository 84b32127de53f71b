"""Power users' share of activity falling while the total is flat."""

from __future__ import annotations

from pipeline.detectors.condition import power_share_back, power_share_fallen
from pipeline.evidence.view import Finding, View

KIND = "power_user_decline"
DIMENSION = "power_user_share"


def evaluate(view: View) -> Finding:
    """Raised when the share's evidence exceeds the threshold and the total is equivalent to the reference's."""
    return power_share_fallen(view, view.power.flat)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether last week's share is back near what was expected when the episode opened."""
    return power_share_back(view, place, expected_at_opening)
