"""The share of activity of one role's users falling while the total does not."""

from __future__ import annotations

import numpy as np

from pipeline.evidence.share import REFERENCE_DAYS
from pipeline.evidence.view import Finding, View

KIND = "role_decline"
DIMENSION = "role_share"


def evaluate(view: View) -> Finding:
    """Raised when the mean evidence of the account's roles exceeds the threshold and the total is flat or rises."""
    roles = view.roles
    known = view.first_usage_day <= roles.reference_start - REFERENCE_DAYS
    evidence = np.where(known, roles.evidence, -np.inf)
    raised = evidence >= view.threshold
    if raised.any():
        raised &= view.power.flat | view.power.rising
    return Finding(raised, roles.observed, roles.expected, evidence)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether no role does materially less than it uses to."""
    return bool(view.roles.low[place] == 0)
