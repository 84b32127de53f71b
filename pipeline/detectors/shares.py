"""A part of an account's activity, a role's or a feature's, falling while the whole does not."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition
from pipeline.evidence.view import Finding, View
from pipeline.terms.kind import FEATURES_DOWN, ROLE_DOWN, Kind, Play


def _roles(view: View) -> Finding:
    """The mean evidence of the account's roles exceeds the threshold and the total is flat or rises."""
    roles = view.roles
    raised = roles.evidence >= view.threshold
    if raised.any():
        raised &= view.power.flat | view.power.rising
    return Finding(raised, roles.observed, roles.expected, roles.evidence)


def _roles_back(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether no role does materially less than it uses to."""
    return bool(view.roles.low[place] == 0)


def _features(view: View) -> Finding:
    """The mean evidence of the account's features exceeds the threshold."""
    features = view.abandonment
    observed, expected = features.abandoned.astype(np.float64), features.judged.astype(np.float64)
    return Finding(features.evidence >= view.threshold, observed, expected, features.evidence)


def _features_back(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether no feature is used half as much as expected any more."""
    return bool(finding.observed[place] == 0)


role_decline = Condition(
    Kind(
        name="role_decline",
        dimension="role_share",
        scope="usage",
        yields_to=("usage_drop", "silence", "power_user_decline", "user_mix_shift", "users_unnamed"),
        family="risk",
        severity="warning",
        level="intermediate",
        unit="share",
        direction="down",
        method="share-lr-esr",
        evidence="log",
        stream=True,
        told=2,
        contributors=(ROLE_DOWN,),
        play=Play("role-check", "Ask the users of the role what they miss or do elsewhere", 5),
        summary=(
            "{name}: one role{role} fell from {expected:.0%} to "
            "{observed:.0%} of the activity while the total is not down"
        ),
        condition="the share of activity of one role's users surely fell while the total did not",
        resolution="no role does materially less than it uses to",
    ),
    _roles,
    _roles_back,
)
feature_abandonment = Condition(
    Kind(
        name="feature_abandonment",
        dimension="feature_share",
        scope="usage",
        yields_to=("usage_drop", "breadth_drop"),
        family="risk",
        severity="warning",
        level="intermediate",
        unit="features",
        direction="down",
        method="share-lr-esr",
        evidence="log",
        stream=True,
        weight=3,
        amended=True,
        contributors=(FEATURES_DOWN,),
        play=Play("feature-review", "Ask what replaced the abandoned features", 5),
        summary="{name}: {observed:.0f} of {expected:.0f} features in use are being abandoned",
        condition="a feature's share of activity surely fell while the total did not",
        resolution="its share is back",
    ),
    _features,
    _features_back,
)
