"""Most of an account's activity resting on one user."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.view import Finding, View

KIND = "single_user_dependence"
DIMENSION = "top_user_share"
RAISE_SHARE, CLEAR_SHARE = 0.6, 0.5
MIN_USER_DAYS = 16
MIN_SEATS = 3


def evaluate(view: View) -> Finding:
    """Raised when one user makes 60 % of the user-days of four weeks although three and more pay."""
    days, most = view.users.days_28, view.users.most_28
    share = most / np.maximum(days, 1)
    raised = (days >= MIN_USER_DAYS) & (view.accounts.seats[view.rows] >= MIN_SEATS) & (share >= RAISE_SHARE)
    return Finding(raised, share, np.full(len(view), CLEAR_SHARE), share)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether the user makes less than half, or hardly anybody is left."""
    return bool(finding.observed[place] < CLEAR_SHARE)
