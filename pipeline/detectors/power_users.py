"""The few who do most: their share of activity falling, or all of it coming to rest on one of them."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition, returns
from pipeline.evidence.view import Finding, View
from pipeline.terms.arrays import Bools
from pipeline.terms.kind import POWER_USERS_DOWN, TOP_USER, Kind, Play

RECOVERED_SHARE = 0.9
"""Of the power users' share, from which on they count as back."""
RAISE_SHARE, CLEAR_SHARE = 0.6, 0.5
MIN_USER_DAYS = 16
MIN_SEATS = 3


def _declined(view: View) -> Finding:
    """The share's evidence exceeds the threshold while the total is equivalent to the reference's."""
    return _share_fallen(view, view.power.flat)


def _mixed(view: View) -> Finding:
    """The share's evidence exceeds the threshold while the total is above the reference's: often others join."""
    return _share_fallen(view, view.power.rising)


def _share_fallen(view: View, where: Bools) -> Finding:
    """Findings of accounts whose power users' share has fallen, raised at some of them."""
    power = view.power
    observed = power.week / np.maximum(power.known_week, 1)
    return Finding((power.evidence >= view.threshold) & where, observed, power.share, power.evidence)


def _share_back(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether last week's share is back near what was expected when the episode opened."""
    part, whole = view.power.week[place], view.power.known_week[place]
    return bool(whole > 0 and part >= RECOVERED_SHARE * expected_at_opening * whole)


def _one_does_most(view: View) -> Finding:
    """One user makes 60 % of the user-days of four weeks, and in the eight before nobody made half."""
    users = view.users
    share = users.most_28 / np.maximum(users.days_28, 1)
    raised = (users.days_28 >= MIN_USER_DAYS) & (view.accounts.seats[view.rows] >= MIN_SEATS) & (share >= RAISE_SHARE)
    raised &= (users.days_base >= MIN_USER_DAYS) & (users.most_base < CLEAR_SHARE * users.days_base)
    raised &= ~returns(view)
    return Finding(raised, share, np.full(len(view), CLEAR_SHARE), share)


def _shared_again(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether the user makes less than half, or hardly anybody is left."""
    return bool(finding.observed[place] < CLEAR_SHARE)


power_user_decline = Condition(
    Kind(
        name="power_user_decline",
        dimension="power_user_share",
        scope="other",
        yields_to=("users_unnamed",),
        family="risk",
        severity="error",
        level="intermediate",
        unit="share",
        direction="down",
        method="share-lr-esr",
        evidence="log",
        stream=True,
        weight=5,
        amended=True,
        contributors=(POWER_USERS_DOWN,),
        play=Play("champion-check", "Call the power users who went quiet", 2),
        summary=(
            "{name}: power users fell from {expected:.0%} to {observed:.0%} of the activity, "
            "the total is not down{user}"
        ),
        condition="the power users' share of activity surely fell while the total did not",
        resolution="their share is back at nine tenths",
    ),
    _declined,
    _share_back,
)
user_mix_shift = Condition(
    Kind(
        name="user_mix_shift",
        dimension="user_mix",
        scope="other",
        yields_to=("power_user_decline", "users_unnamed"),
        family="risk",
        severity="warning",
        level="intermediate",
        unit="share",
        direction="down",
        method="share-lr-esr",
        evidence="log",
        stream=True,
        amended=True,
        contributors=(POWER_USERS_DOWN,),
        play=Play("champion-check", "Ask what changed for the power users as others joined", 5),
        summary=(
            "{name}: power users fell from {expected:.0%} to {observed:.0%} of the activity, the total rises{user}"
        ),
        condition="the power users' share of activity fell because others use the product more",
        resolution="their share is back",
    ),
    _mixed,
    _share_back,
)
single_user_dependence = Condition(
    Kind(
        name="single_user_dependence",
        dimension="top_user_share",
        scope="other",
        yields_to=("identity_changed", "users_unnamed"),
        by_id=True,
        lasting=True,
        family="risk",
        severity="info",
        level="intermediate",
        unit="share",
        direction="up",
        method="limit",
        contributors=(TOP_USER,),
        play=Play("multi-thread", "Win more users in the account", 14),
        summary="{name}: one user{user} makes {observed:.0%} of the activity",
        condition="one person does most of what the account does",
        resolution="the work is shared again",
    ),
    _one_does_most,
    _shared_again,
)
