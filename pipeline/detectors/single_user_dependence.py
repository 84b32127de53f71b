"""Most of an account's activity coming to rest on one user, where it did not before."""

from __future__ import annotations

import numpy as np

from pipeline.evidence.view import Finding, View

KIND = "single_user_dependence"
DIMENSION = "top_user_share"
RAISE_SHARE, CLEAR_SHARE = 0.6, 0.5
MIN_USER_DAYS = 16
MIN_SEATS = 3


def evaluate(view: View) -> Finding:
    """Raised when one user makes 60 % of the user-days of four weeks, and in the eight before nobody made half."""
    users = view.users
    share = users.most_28 / np.maximum(users.days_28, 1)
    raised = (users.days_28 >= MIN_USER_DAYS) & (view.accounts.seats[view.rows] >= MIN_SEATS) & (share >= RAISE_SHARE)
    raised &= (users.days_base >= MIN_USER_DAYS) & (users.most_base < CLEAR_SHARE * users.days_base)
    return Finding(raised, share, np.full(len(view), CLEAR_SHARE), share)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether the user makes less than half, or hardly anybody is left."""
    return bool(finding.observed[place] < CLEAR_SHARE)
