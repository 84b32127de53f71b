"""Usage without users: events that name nobody take the place of people's."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition
from pipeline.evidence.level import BASELINE_DAYS, LAG_DAYS
from pipeline.evidence.view import Finding, View
from pipeline.terms.kind import Kind, Play

MIN_DAYS = 14
"""Of use in the baseline, for the usual week to be known."""
MISSING, BACK = 0.25, 0.15
"""Shares of the usual user-days: so many are missing, or hardly any."""
INSTEAD = 0.5
"""Events without a user for each user-day that is missing."""
MORE, DEVIATIONS = 2.0, 5.0
"""Times the usual events without a user, and deviations of such a count above it."""


def _unnamed(view: View) -> Finding:
    """A quarter of the user-days is missing, and there are surely more events without a user, half as many at least."""
    last = view.day - LAG_DAYS
    days = np.clip(last + 1 - view.first_usage_day, 0, BASELINE_DAYS)
    first, known = last - BASELINE_DAYS + 1, np.maximum(days, 1)
    usual, people = (7.0 * view.total(name, first, last) / known for name in ("unnamed", "active_users"))
    unnamed, missing = view.last("unnamed", 7), people - view.last("active_users", 7)
    raised = (days >= MIN_DAYS) & (people > 0) & (missing >= MISSING * people)
    more = np.maximum(INSTEAD * missing, DEVIATIONS * np.sqrt(usual + 1.0))
    raised &= (unnamed >= MORE * usual) & (unnamed - usual >= more)
    return Finding(raised, unnamed, usual, missing / np.maximum(people, 1e-9))


def _named_again(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether people are back, or their number has become the usual one, by all that they are held against."""
    week, then = view.power.all_week[place], view.power.all_days[place] / view.reference.usual_weeks[place]
    return bool(finding.evidence[place] < BACK and week >= (1.0 - BACK) * then)


users_unnamed = Condition(
    Kind(
        name="users_unnamed",
        dimension="unnamed_events",
        scope="other",
        family="data_quality",
        severity="info",
        level="intermediate",
        unit="events",
        direction="up",
        method="condition",
        lasting=True,
        amended=True,
        play=Play("id-check", "Find out why events name no users: a tracker, or machines that took over", 14),
        summary="{name}: {observed:.0f} events without a user in 7 days, {expected:.0f} usually, and fewer people",
        condition="a quarter of the user-days is missing, and half as many more events at least come without a user",
        resolution="people are back, or their number has become the usual one",
    ),
    _unnamed,
    _named_again,
)
