"""The scorecard and the band, in cases small enough to be worked out by hand."""

from __future__ import annotations

import pytest

from tests.oracle.model import OracleConfig
from tests.oracle.story import ACCOUNT, Story

SERVED = {"id": "default", "version": 1, "criteria": {"support": 4, "billing": 5, "sentiment": 3, "engagement": 2}}
"""A scorecard that does not ask for usage."""


def test_one_dimension_is_too_little_to_judge() -> None:
    story = Story()
    story.ticket(0, "opened", priority="p1")
    story.close(0)
    (entry,) = story.oracle.health[ACCOUNT]
    assert (entry.band, entry.score, entry.coverage) == ("grey", 75.0, 4 / 49)
    assert entry.dimensions == {"support": 0.75}


def test_the_score_weighs_the_dimensions_that_are_there() -> None:
    story = Story()
    story.ticket(0, "opened", priority="p1")
    story.bill(0, "payment_failed", invoice_id="i")
    story.signal(0, "meeting_held")
    story.signal(0, "nps", score=9.0)
    story.signal(0, "pulse", score=3.0)
    story.close(0)
    (entry,) = story.oracle.health[ACCOUNT]
    assert entry.dimensions == pytest.approx(
        {"support": 0.75, "billing": 0.5, "sentiment": (0.9 + 0.5) / 2, "engagement": 1 / 3, "attendance": 1.0}
    )
    # (4 × .75 + 5 × .5 + 3 × .7 + 2 / 3 + 1) / 15 = 9.2667 / 15; of usage nothing is known.
    assert (entry.score, entry.coverage, entry.band) == (61.8, 15 / 49, "grey")


def test_a_band_moves_on_the_third_day_of_the_same_candidate() -> None:
    story = well_served(cap=False)
    story.bill(1, "payment_failed")
    story.bill(1, "invoice_overdue")
    story.close(3)
    bands = [entry.band for entry in story.oracle.health[ACCOUNT]]
    assert bands == ["green", "green", "green", "yellow"]
    (moved,) = story.alerts("health_changed")
    # (4 + 5 + 3 + 2/3) / 14 = 90.5 on day 0, which was the last to call for green; since then billing is 0.
    assert (moved["severity"], moved["observed"], moved["expected"]) == ("warning", 54.8, 90.5)
    assert {name: round(points, 1) for name, points in moved["points"].items() if points} == {"billing": -35.7}
    story.bill(4, "invoice_paid")
    story.close(6)
    assert [(a["status"], a["severity"], a["transition_reason"]) for a in story.alerts("health_changed")] == [
        ("firing", "warning", "detected"),
        ("resolved", "warning", "recovered"),
    ]


def well_served(*, cap: bool) -> Story:
    story = Story(OracleConfig(cards=(SERVED | {"bands": {"cap": cap}},)))
    story.ticket(0, "commented")
    story.bill(0, "subscription_started")
    story.signal(0, "meeting_held")
    story.signal(0, "csat", score=5.0)
    story.close(0)
    assert story.account.band == "green"
    return story


def test_an_open_alert_caps_the_band_on_its_day_and_no_longer() -> None:
    story = well_served(cap=True)
    story.signal(1, "risk_raised")
    story.close(1)
    for kind in ("payment_failed", "payment_failed", "payment_failed", "invoice_overdue"):
        story.bill(2, kind)
    story.close(4)
    story.signal(5, "risk_cleared")
    story.bill(5, "invoice_paid")
    story.close(5)
    health = story.oracle.health[ACCOUNT]
    told = [(entry.band, (entry.capped_by or [None])[0]) for entry in health]
    unpaid = ("red", "payment_failed")
    assert told == [("green", None), ("yellow", "risk_opened"), *[unpaid] * 3, ("yellow", None)]
    # The score fell on day 2, so that it is yellow by itself from day 4 until it has been green for three days.
    assert len(story.alerts("health_changed")) == 1


def test_a_survey_of_tomorrow_does_not_hide_the_one_of_today() -> None:
    story = Story()
    story.signal(0, "csat", score=5.0)
    story.signal(1, "csat", hour=0.5, score=1.0)  # applied while day 0 is open
    story.close(0)
    assert story.dimension("sentiment") == 1.0
    story.close(1)
    assert story.dimension("sentiment") == 0.0
    story.close(180)
    assert story.dimension("sentiment") == 0.0
    story.close(181)
    assert story.dimension("sentiment") is None
