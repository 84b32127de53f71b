"""Nearly all of the actions that the plan includes are used: room for more."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import ripe
from pipeline.evidence.view import Finding, View

KIND = "quota_burn"
DIMENSION = "quota"
QUOTA_DAYS = 30
RAISE_SHARE = 0.9
CLEAR_SHARE = 0.8


def evaluate(view: View) -> Finding:
    """Raised from 90 % of the quota of 30 days."""
    quota = np.nan_to_num(view.column("quota").astype(np.float64))
    used = view.total("actions", view.day - QUOTA_DAYS + 1, view.day) / 1000.0
    raised = (quota > 0) & (used >= RAISE_SHARE * quota) & ripe(view)
    return Finding(raised, used, quota, np.where(quota > 0, used / np.where(quota > 0, quota, 1.0), 0.0))


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether less than 80 % of today's quota is used, or there is none any more."""
    return bool(finding.observed[place] < CLEAR_SHARE * finding.expected[place] or finding.expected[place] <= 0)
