"""Customers who may speak for us: promoters who use more, a good score for it, and moments of delight."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition, holds, usual_change
from pipeline.evidence.view import Finding, View
from pipeline.scorecards.bands import GREEN, RED
from pipeline.scorecards.builtin import REFERENCEABILITY
from pipeline.terms.kind import Kind, Play
from schemas.topics import DAY_MS

GROWN = 1.1
MIN_DEVIATIONS = 2.0
DELIGHT_DAYS = 7


def _ready(view: View) -> Finding:
    """A contact promotes and none detracts, usage of four weeks has clearly grown, no P1 ticket is open."""
    now = view.total("actions", view.day - 27, view.day) / 1000.0
    before = view.total("actions", view.day - 55, view.day - 28) / 1000.0
    promoted = (view.column("promoter_until_ms") > view.end_ms) & (view.column("detractor_until_ms") <= view.end_ms)
    raised = promoted & (view.accounts.open_p1[view.rows] == 0) & (view.first_usage_day <= view.day - 55)
    raised &= view.level.defined & (before > 0) & (now >= GROWN * before) & (view.band != RED)
    more, places = np.ones(len(view)), np.flatnonzero(raised)
    if len(places):
        # Where days off or a dip have lowered what was before, the days after them are no growth.
        more[places] = np.maximum(usual_change(view, places, 28), 1.0)
        before = more * before
        raised &= now >= GROWN * before
    spread = np.sqrt(np.maximum(view.level.dispersion * (now + more * before), 1e-300))
    deviations = np.where(before > 0, (now - before) / spread, 0.0)
    return Finding(raised & (deviations >= MIN_DEVIATIONS), now, before, deviations)


def _referenceable(view: View) -> Finding:
    """The scorecard of reference-ability is green, and health is not red."""
    band, score = view.standing(REFERENCEABILITY.id)
    raised = (band == GREEN) & (view.band != RED)
    return holds(raised, np.nan_to_num(score), 100.0)


def _moment(view: View) -> Finding:
    """Somebody was delighted within the last week."""
    delight_ms = view.column("delight_ms").astype(np.int64)
    recent = (delight_ms >= 0) & (delight_ms > view.end_ms - DELIGHT_DAYS * DAY_MS)
    return holds(recent & (view.band != RED), np.ones(len(view)), 1.0)


advocate_ready = Condition(
    Kind(
        name="advocate_ready",
        dimension="advocacy",
        scope="other",
        family="advocacy",
        severity="info",
        level="intermediate",
        unit="actions",
        direction="up",
        method="overdispersed-z",
        evidence="deviations",
        person="promoter",
        play=Play("reference-ask", "Ask the promoter for a reference", 14),
        summary="{name}: a promoter{contact}, rising usage and no open P1 ticket",
        condition="a contact promotes and none detracts, usage grew clearly, no P1 is open, health is not red",
        resolution="one of that is over",
    ),
    _ready,
)
reference_ready = Condition(
    Kind(
        name="reference_ready",
        dimension=REFERENCEABILITY.id,
        scope="other",
        calm=True,
        family="advocacy",
        severity="info",
        level="advanced",
        unit="points",
        direction="up",
        method="scorecard",
        play=Play("reference-ask", "Ask the sponsor for a reference, a case study or a review", 14),
        summary="{name}: reference-ability is green at {observed:.0f} of 100",
        condition="the scorecard referenceability judges the account and is green, and no open risk",
        resolution="that scorecard is not green any more, or health is red",
    ),
    _referenceable,
)
advocacy_moment = Condition(
    Kind(
        name="advocacy_moment",
        dimension="delight",
        scope="other",
        calm=True,
        family="advocacy",
        severity="info",
        level="intermediate",
        unit="moments",
        direction="up",
        method="condition",
        setting="kinds.enabled",
        person="delighted",
        play=Play("testimonial-ask", "Ask for a testimonial while the joy is fresh", 5),
        summary="{name}: somebody{contact} was delighted this week",
        condition="off unless named: the best answer or a reached outcome within 7 days, and no open risk",
        resolution="the week is over",
    ),
    _moment,
)

DETECTORS = (advocate_ready, reference_ready, advocacy_moment)
