"""Nearly all paid seats in use: room for more."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import ripe
from pipeline.evidence.view import Finding, View

KIND = "seat_saturation"
DIMENSION = "seats"
RAISE_SHARE = 0.9
CLEAR_SHARE = 0.8


def evaluate(view: View) -> Finding:
    """Raised from 90 % of the seats, four weeks after the first usage, where more may be offered."""
    seats = view.accounts.seats[view.rows].astype(np.float64)
    users = view.users.active_28.astype(np.float64)
    raised = (seats > 0) & (users >= RAISE_SHARE * seats) & (view.first_usage_day <= view.day - 27) & ripe(view)
    return Finding(raised, users, seats, np.where(seats > 0, users / np.maximum(seats, 1.0), 0.0))


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether fewer than 80 % of today's seats are in use."""
    seats = finding.expected[place]
    return bool(seats > 0 and finding.observed[place] < CLEAR_SHARE * seats)
