"""Nearly all that the plan includes is used, of seats or of actions: room for more."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition, ripe
from pipeline.evidence.view import Finding, View
from pipeline.terms.kind import USERS_UP, Kind, Play

QUOTA_DAYS = 30
RAISE_SHARE, CLEAR_SHARE = 0.9, 0.8
FREE_SEATS = 2


def _seats(view: View) -> Finding:
    """From 90 % of the seats, four weeks after the first usage, where more may be offered.

    Who came within the last week may be somebody else's new id, and is not counted yet.
    """
    seats = view.accounts.seats[view.rows].astype(np.float64)
    users = view.users.settled_28.astype(np.float64)
    raised = (seats > 0) & (users >= RAISE_SHARE * seats) & (view.first_usage_day <= view.day - 27) & ripe(view)
    return Finding(raised, users, seats, np.where(seats > 0, users / np.maximum(seats, 1.0), 0.0))


def _seats_left(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether fewer than 80 % of today's seats are in use, and two at least are free: of few, one is nothing."""
    seats, users = finding.expected[place], finding.observed[place]
    return bool(seats > 0 and users < CLEAR_SHARE * seats and users <= seats - FREE_SEATS)


def _quota(view: View) -> Finding:
    """From 90 % of the quota of 30 days."""
    quota = np.nan_to_num(view.column("quota").astype(np.float64))
    used = view.total("actions", view.day - QUOTA_DAYS + 1, view.day) / 1000.0
    raised = (quota > 0) & (used >= RAISE_SHARE * quota) & ripe(view)
    return Finding(raised, used, quota, np.where(quota > 0, used / np.where(quota > 0, quota, 1.0), 0.0))


def _quota_left(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether less than 80 % of today's quota is used, or there is none any more."""
    return bool(finding.observed[place] < CLEAR_SHARE * finding.expected[place] or finding.expected[place] <= 0)


seat_saturation = Condition(
    Kind(
        name="seat_saturation",
        dimension="seats",
        scope="other",
        yields_to=("identity_changed",),
        by_id=True,
        lasting=True,
        clear_days=28,
        family="expansion",
        severity="info",
        level="basic",
        unit="users",
        direction="up",
        method="limit",
        contributors=(USERS_UP,),
        play=Play("seat-offer", "Offer more seats", 14),
        summary="{name}: {observed:.0f} of {expected:.0f} seats are in use",
        condition="90 % of the seats are in use, health is not red, nothing was bought lately",
        resolution="for four weeks less than 80 % are and two are free, or an expansion is realised",
    ),
    _seats,
    _seats_left,
)
quota_burn = Condition(
    Kind(
        name="quota_burn",
        dimension="quota",
        scope="other",
        lasting=True,
        family="expansion",
        severity="info",
        level="basic",
        unit="actions",
        direction="up",
        method="limit",
        contributors=(USERS_UP,),
        play=Play("quota-offer", "Offer a larger plan before the limit is reached", 7),
        summary="{name}: {observed:.0f} of {expected:.0f} included actions are used",
        condition="90 % of the actions included for 30 days are used, health is not red, nothing was bought lately",
        resolution="less than 80 % are used, or an expansion is realised",
    ),
    _quota,
    _quota_left,
)
