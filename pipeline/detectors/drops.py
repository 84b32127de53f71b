"""Less than usual: usage, users, time and breadth against the account's own level; meetings; the plain rule."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition, usual_change
from pipeline.detectors.levels import LevelDetector
from pipeline.detectors.trends import Trend
from pipeline.evidence.view import Finding, View
from pipeline.terms.kind import FEATURES_DOWN, USERS_DOWN, Kind, Play

USERS_CAP = 2.0
"""Log evidence of one day's users: whole teams have good and bad days, so few come more often than their variance
tells."""

usage_drop = LevelDetector(
    Kind(
        name="usage_drop",
        dimension="total_usage",
        scope="usage",
        covers_children=True,
        family="risk",
        severity="error",
        level="basic",
        unit="actions",
        direction="down",
        method="nb-esr",
        evidence="log",
        stream=True,
        weight=5,
        amended=True,
        contributors=(USERS_DOWN, FEATURES_DOWN),
        play=Play("usage-review", "Ask what changed and agree on a way back", 3),
        summary="{name}: usage fell to {observed:.0f} actions in 7 days, {expected:.0f} expected",
        condition="usage is surely below the account's own level, on two closes running",
        resolution="a week is back at 85 % of the expected",
    ),
    pane="actions",
    ratio=0.85,
    silence=True,
)
users_drop = LevelDetector(
    Kind(
        name="users_drop",
        dimension="daily_users",
        scope="usage",
        yields_to=("usage_drop", "silence", "users_unnamed"),
        family="risk",
        severity="error",
        level="intermediate",
        unit="users",
        direction="down",
        method="nb-esr",
        evidence="log",
        stream=True,
        weight=4,
        amended=True,
        contributors=(USERS_DOWN, FEATURES_DOWN),
        play=Play("usage-review", "Ask what changed and agree on a way back", 3),
        summary="{name}: {observed:.0f} user-days in 7 days, {expected:.0f} expected",
        condition="user-days are surely below the account's own level, and usage alone does not say it",
        resolution="a week is back at 85 % of the expected",
    ),
    pane="active_users",
    ratio=0.85,
    silence=True,
    cap=USERS_CAP,
)
time_drop = LevelDetector(
    Kind(
        name="time_drop",
        dimension="time_in_product",
        scope="usage",
        yields_to=("usage_drop", "users_drop", "silence", "users_unnamed"),
        family="risk",
        severity="warning",
        level="intermediate",
        unit="minutes",
        direction="down",
        method="nb-esr",
        evidence="log",
        stream=True,
        weight=3,
        amended=True,
        contributors=(USERS_DOWN, FEATURES_DOWN),
        play=Play("usage-review", "Ask what changed and agree on a way back", 3),
        summary="{name}: {observed:.0f} minutes in the product in 7 days, {expected:.0f} expected",
        condition="time in the product is surely below the account's own level, and usage alone does not say it",
        resolution="a week is back at 85 % of the expected",
    ),
    pane="duration_ds",
    ratio=0.85,
    silence=True,
)
breadth_drop = LevelDetector(
    Kind(
        name="breadth_drop",
        dimension="daily_features",
        scope="usage",
        yields_to=("usage_drop", "users_drop", "silence"),
        family="risk",
        severity="warning",
        level="intermediate",
        unit="features",
        direction="down",
        method="nb-esr",
        evidence="log",
        stream=True,
        weight=3,
        amended=True,
        contributors=(FEATURES_DOWN,),
        play=Play("feature-review", "Ask which features no longer help and why", 5),
        summary="{name}: {observed:.0f} feature-days in 7 days, {expected:.0f} expected",
        condition="fewer features a day are surely used than usual, and usage alone does not say it",
        resolution="a week is back at 85 % of the expected",
    ),
    pane="active_features",
    ratio=0.85,
    silence=True,
)
usage_decline = Trend(
    Kind(
        name="usage_decline",
        dimension="monthly_usage",
        scope="usage",
        yields_to=("usage_drop", "silence"),
        family="risk",
        severity="warning",
        level="intermediate",
        unit="actions",
        direction="down",
        method="fleet-rank",
        evidence="deviations",
        ranked=True,
        fade_days=28,
        amended=True,
        contributors=(USERS_DOWN, FEATURES_DOWN),
        play=Play("usage-review", "Ask what changed and agree on a way back", 5),
        summary="{name}: usage fell from {expected:.0f} to {observed:.0f} actions in four weeks",
        condition="four weeks are a quarter below the account's own level, and few accounts fell as clearly",
        resolution="four weeks are back at 85 % of the expected",
    ),
    pane="actions",
    ratio=0.75,
    days=28,
    recovered=0.85,
)
touch_drop = LevelDetector(
    Kind(
        name="touch_drop",
        dimension="touches",
        scope="other",
        family="risk",
        severity="warning",
        level="intermediate",
        unit="meetings",
        direction="down",
        method="nb-esr",
        evidence="log",
        stream=True,
        weight=2,
        amended=True,
        play=Play("meeting-cadence", "Agree on the next meetings", 7),
        summary="{name}: {observed:.0f} meetings in 28 days, {expected:.0f} expected",
        condition="meetings are surely rarer than the account is used to",
        resolution="four weeks are back at 85 % of the expected",
    ),
    pane="touches",
    ratio=0.5,
    days=28,
    recovered=0.85,
)


def _fell(view: View) -> Finding:
    """A week's actions a fixed percentage below the week before, beyond what days off and dips of the fleet took.

    It states no false-alarm rate, because that depends wholly on an account's volume; the minimum volume keeps it
    from the accounts on which it is worst.
    """
    config, now = view.config, view.week_actions
    before = view.total("actions", view.day - 13, view.day - 7) / 1000.0
    least, left = max(config.basic_min_actions, 0.001), before.copy()
    places = np.flatnonzero((before >= least) & (config.basic_drop_pct > 0))
    places = places[100.0 * (1.0 - now[places] / before[places]) >= config.basic_drop_pct]
    if len(places):
        left[places] *= np.minimum(usual_change(view, places, 7), 1.0)
        # Of a week that is mostly off, the rest says nothing.
        mostly_off = np.broadcast_to(view.factors(view.day - 6, view.day).sum(axis=0) < 3.5, len(view))
        left[places] *= ~mostly_off[places]
    percent = np.where(left > 0, 100.0 * (1.0 - now / np.where(left > 0, left, 1.0)), 0.0)
    raised = (left >= least) & (percent >= config.basic_drop_pct) & (config.basic_drop_pct > 0)
    return Finding(raised, now, before, percent)


def _week_is_back(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether the last week is back within the percentage of the week before the fall."""
    needed = (1.0 - view.config.basic_drop_pct / 100.0) * expected_at_opening
    return bool(finding.observed[place] > needed)


weekly_drop = Condition(
    Kind(
        name="weekly_drop",
        dimension="total_usage",
        scope="usage",
        family="risk",
        severity="warning",
        level="basic",
        unit="actions",
        direction="down",
        method="week-over-week",
        amended=True,
        contributors=(USERS_DOWN, FEATURES_DOWN),
        setting="detection.basic_drop_pct",
        play=Play("usage-review", "Ask what changed and agree on a way back", 3),
        summary="{name}: {observed:.0f} actions in 7 days, {expected:.0f} in the 7 days before",
        condition="off unless set: a week is so many per cent below the week before",
        resolution="the week is back",
    ),
    _fell,
    _week_is_back,
)
