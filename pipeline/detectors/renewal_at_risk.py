"""A renewal within 90 days while health is not green."""

from __future__ import annotations

import numpy as np

from pipeline.evidence.view import Finding, View
from pipeline.scorecards.bands import GREEN, GREY

KIND = "renewal_at_risk"
DIMENSION = "renewal"
HORIZON_DAYS = 90


def evaluate(view: View) -> Finding:
    """Raised by the band of this close; severity follows the band."""
    renewal_ms = view.accounts.renewal_at_ms[view.rows]
    known = renewal_ms >= 0
    left = np.where(known, view.days.of(np.where(known, renewal_ms, 0)) - view.day, -1)
    raised = (left >= 0) & (left <= HORIZON_DAYS) & (view.band != GREEN)
    evidence = np.where(view.band == GREY, 50.0, 100.0 - np.nan_to_num(view.accounts.score[view.rows]))
    return Finding(raised, left.astype(np.float64), np.full(len(view), float(HORIZON_DAYS)), evidence)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether it would not raise."""
    return not finding.raised[place]
