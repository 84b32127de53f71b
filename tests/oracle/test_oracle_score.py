"""The scorecard and the band, in cases small enough to be worked out by hand."""

from __future__ import annotations

import pytest

from tests.oracle.story import ACCOUNT, Story


def test_one_dimension_is_too_little_to_judge() -> None:
    story = Story()
    story.ticket(0, "opened", priority="p1")
    story.close(0)
    (entry,) = story.oracle.health[ACCOUNT]
    assert (entry.band, entry.score, entry.coverage) == ("grey", 75.0, 4 / 29)
    assert entry.dimensions == {"support": 0.75}


def test_the_score_weighs_the_dimensions_that_are_there() -> None:
    story = Story()
    story.ticket(0, "opened", priority="p1")
    story.bill(0, "payment_failed", invoice_id="i")
    story.signal(0, "meeting_held")
    story.signal(0, "nps", score=9.0)
    story.signal(0, "pulse", score=2.0)
    story.close(0)
    (entry,) = story.oracle.health[ACCOUNT]
    assert entry.dimensions == pytest.approx(
        {"support": 0.75, "billing": 0.5, "sentiment": (0.9 + 0.25) / 2, "engagement": 1 / 3}
    )
    # (4 × .75 + 5 × .5 + 3 × .575 + 2 / 3) / 14 = 7.8917 / 14
    assert (entry.score, entry.band) == (56.4, "yellow")


def test_a_band_moves_on_the_third_day_of_the_same_candidate() -> None:
    story = Story()
    story.ticket(0, "commented")
    story.bill(0, "subscription_started")
    story.signal(0, "meeting_held")
    story.signal(0, "csat", score=5.0)
    story.close(0)
    assert story.account.band == "green"
    story.bill(1, "payment_failed")
    story.bill(1, "invoice_overdue")
    story.close(3)
    bands = [entry.band for entry in story.oracle.health[ACCOUNT]]
    assert bands == ["green", "green", "green", "yellow"]
    (moved,) = story.alerts("health_changed")
    # (4 + 0 + 3 + 2/3) / 14 = 54.8 since day 1, so the score of the day before is the same.
    assert (moved["severity"], moved["observed"], moved["expected"]) == ("warning", 54.8, 54.8)
    story.bill(4, "invoice_paid")
    story.close(6)
    assert [(a["status"], a["severity"], a["transition_reason"]) for a in story.alerts("health_changed")] == [
        ("firing", "warning", "detected"),
        ("resolved", "warning", "recovered"),
    ]


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
