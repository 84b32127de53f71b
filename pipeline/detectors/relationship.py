"""What is missing or overdue between the customer and us: progress, people, reviews."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition, holds
from pipeline.evidence.view import Finding, View
from pipeline.state.life import TRIAL
from pipeline.terms.kind import Kind, Play

PROGRESS_DAYS = 21
FIRST_LOGIN_DAYS = 14
TRIAL_IDLE_DAYS = 7
TRIAL_SHOWN_DAYS = 90
"""Days without use of a trial are counted up to here."""
REVIEW_DAYS = 91
REVIEW_GRACE_DAYS = 9
KNOWN_DAYS = 30
"""How long an account must be known before somebody can be missing."""


def _stalled(view: View) -> Finding:
    """In onboarding, milestones left, and none reached for three weeks; or nobody has logged in for two."""
    first = view.column("first_day").astype(np.int64)
    used = view.first_usage_day <= view.day
    progress_ms = view.column("progress_ms").astype(np.int64)
    reached = np.where(progress_ms >= 0, view.days.of(progress_ms), -1)
    since = np.maximum(np.maximum(first, np.where(used, view.first_usage_day, -1)), reached)
    waiting = (view.day - since).astype(np.float64)
    idle = view.column("milestones_left").astype(np.bool_) & (waiting >= PROGRESS_DAYS)
    absent = ~used & (waiting >= FIRST_LOGIN_DAYS)
    raised = view.column("onboarding").astype(np.bool_) & (idle | absent)
    most = np.where(idle, PROGRESS_DAYS, FIRST_LOGIN_DAYS).astype(np.float64)
    return Finding(raised, np.where(raised, waiting, 0.0), most, np.where(raised, waiting / most, 0.0))


def _trial_stalled(view: View) -> Finding:
    """On trial, and nobody has used the product for a week, or since the account is known."""
    waiting = np.minimum(view.day - view.column("first_day").astype(np.int64), view.gap)
    raised = (view.column("life") == TRIAL) & (waiting >= TRIAL_IDLE_DAYS)
    return holds(raised, np.minimum(waiting, TRIAL_SHOWN_DAYS).astype(np.float64), float(TRIAL_IDLE_DAYS))


def _without(view: View, column: str) -> Finding:
    """Roles of contacts are known, and this one is not among them."""
    known = view.column("roles_known").astype(np.bool_) & (view.column("first_day") <= view.day - KNOWN_DAYS + 1)
    missing = known & ~view.column(column).astype(np.bool_)
    return Finding(missing, np.zeros(len(view)), np.ones(len(view)), np.ones(len(view)))


def _sponsor_missing(view: View) -> Finding:
    return _without(view, "sponsor_known")


def _key_contact_missing(view: View) -> Finding:
    return _without(view, "key_contact")


def _review_overdue(view: View) -> Finding:
    """The last business review was more than a quarter and some days ago."""
    review_ms = view.column("review_ms").astype(np.int64)
    ago = view.day - np.where(review_ms >= 0, view.days.of(review_ms), view.day)
    return holds(ago >= REVIEW_DAYS + REVIEW_GRACE_DAYS, ago.astype(np.float64), float(REVIEW_DAYS))


def _stage_stalled(view: View) -> Finding:
    """In its lifecycle stage for longer than the settings expect."""
    belonging, lengths = view.accounts.belonging, dict(view.config.stage_days)
    limits = np.array([lengths.get(name or "", 0) for name in belonging.stages.names], dtype=np.float64)
    expected, since_ms = limits[belonging.stage[view.rows]], belonging.stage_since_ms[view.rows]
    known = (expected > 0) & (since_ms >= 0)
    waiting = np.where(known, view.day - view.days.of(np.where(known, since_ms, 0)), 0).astype(np.float64)
    raised = known & (waiting > expected)
    return Finding(raised, waiting, expected, np.where(known, waiting / np.where(known, expected, 1.0), 0.0))


onboarding_stalled = Condition(
    Kind(
        name="onboarding_stalled",
        dimension="onboarding",
        scope="other",
        family="risk",
        severity="warning",
        level="intermediate",
        unit="days",
        direction="up",
        method="condition",
        play=Play("onboarding-call", "Agree on the next step of the onboarding", 3),
        summary="{name}: no progress in onboarding for {observed:.0f} days",
        condition="in the stage onboarding, 21 days without a milestone while some are left, or 14 without a login",
        resolution="there is progress, or the stage changes",
    ),
    _stalled,
)
trial_stalled = Condition(
    Kind(
        name="trial_stalled",
        dimension="trial",
        scope="usage",
        yields_to=("onboarding_stalled",),
        family="risk",
        severity="warning",
        level="basic",
        unit="days",
        direction="up",
        method="limit",
        play=Play("trial-help", "Ask what keeps them from trying the product, and show the next step", 2),
        summary="{name}: on trial, and not used for {observed:.0f} days",
        condition="on trial, 7 days without use",
        resolution="it is used again, or the trial is over",
    ),
    _trial_stalled,
)
stage_stalled = Condition(
    Kind(
        name="stage_stalled",
        dimension="lifecycle",
        scope="other",
        family="risk",
        severity="warning",
        level="basic",
        unit="days",
        direction="up",
        method="limit",
        setting="health.stage_days",
        play=Play("stage-review", "Agree on what it takes to reach the next stage", 7),
        summary="{name}: in the same lifecycle stage for {observed:.0f} days, {expected:.0f} expected",
        condition="off unless set: a lifecycle stage lasts longer than the settings expect of it",
        resolution="the stage changes",
    ),
    _stage_stalled,
)
sponsor_missing = Condition(
    Kind(
        name="sponsor_missing",
        dimension="sponsor",
        scope="other",
        family="data_quality",
        severity="info",
        level="basic",
        unit="contacts",
        direction="down",
        method="condition",
        play=Play("confirm-contacts", "Find out who the executive sponsor is", 14),
        summary="{name}: no executive sponsor is known",
        condition="roles of contacts are known, the account for 30 days, and no sponsor ever was",
        resolution="a sponsor is named",
    ),
    _sponsor_missing,
)
key_contact_missing = Condition(
    Kind(
        name="key_contact_missing",
        dimension="key_contacts",
        scope="other",
        family="data_quality",
        severity="info",
        level="basic",
        unit="contacts",
        direction="down",
        method="condition",
        play=Play("confirm-contacts", "Find out who decides and who administers", 14),
        summary="{name}: no champion, decision maker or admin is known",
        condition="roles of contacts are known, the account for 30 days, and nobody decides, champions or administers",
        resolution="one of them is named",
    ),
    _key_contact_missing,
)
review_overdue = Condition(
    Kind(
        name="review_overdue",
        dimension="business_review",
        scope="other",
        family="risk",
        severity="warning",
        level="intermediate",
        unit="days",
        direction="up",
        method="condition",
        play=Play("business-review", "Invite the stakeholders to a business review", 14),
        summary="{name}: the last business review was {observed:.0f} days ago",
        condition="100 days since the last business review",
        resolution="a business review takes place",
    ),
    _review_overdue,
)

DETECTORS = (onboarding_stalled, trial_stalled, stage_stalled, sponsor_missing, key_contact_missing, review_overdue)
