"""The kinds that a close finds in people and plans: each is raised in a small story and ends in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.config import EngineConfig
from pipeline.detectors import advocacy, newcomers, relationship
from tests.support.scene import Stage

SIGNALS, USAGE, BILLING = "customer.signals", "usage.events", "billing.events"


def signal(stage: Stage, kind: str, **fields: object) -> None:
    stage.send(SIGNALS, {"type": kind, **fields})


def work(stage: Stage, days: int, actions: float = 20.0) -> None:
    """So many days with the same number of actions on each."""
    for _ in range(days):
        stage.send(USAGE, {"user_id": "u", "quantity": actions})
        stage.pass_days(1)


def onboarding_stalled(stage: Stage) -> None:
    stage.send("account.profiles", {"lifecycle_stage": "onboarding"})
    signal(stage, "milestone_planned", subject="launch", due_at=stage.now_ms + 10**10)
    work(stage, 21)
    assert stage.of_kind("onboarding_stalled") == []
    stage.pass_days(1)
    assert stage.of_kind("onboarding_stalled")[0]["signal"]["observed"] == 21
    signal(stage, "milestone_reached", subject="launch")
    stage.pass_days(5)


def trial_stalled(stage: Stage) -> None:
    stage.send(BILLING, {"type": "trial_started", "subscription_id": "s"})
    work(stage, 3)
    stage.pass_days(6)
    assert stage.of_kind("trial_stalled") == []
    stage.pass_days(1)
    assert stage.of_kind("trial_stalled")[0]["signal"]["observed"] == 7
    work(stage, 5)


def stage_stalled(stage: Stage) -> None:
    stage.restart(EngineConfig(stage_days=(("adoption", 10),)))
    stage.send("account.profiles", {"lifecycle_stage": "adoption"})
    stage.pass_days(4)
    stage.send("account.profiles", {"lifecycle_stage": "adoption", "owner": "ann"})
    stage.pass_days(7)
    assert stage.of_kind("stage_stalled") == []
    stage.pass_days(1)
    assert stage.of_kind("stage_stalled")[0]["signal"]["observed"] == 11
    stage.send("account.profiles", {"lifecycle_stage": "renewal"})
    stage.pass_days(6)


def sponsor_missing(stage: Stage) -> None:
    signal(stage, "contact_joined", contact_id="ida", role="admin")
    stage.pass_days(29)
    assert stage.of_kind("sponsor_missing") == []
    stage.pass_days(1)
    assert len(stage.of_kind("sponsor_missing")) == 1
    signal(stage, "sponsor_changed", contact_id="jo")
    stage.pass_days(5)


def key_contact_missing(stage: Stage) -> None:
    signal(stage, "contact_joined", contact_id="jo", role="sponsor")
    stage.pass_days(30)
    signal(stage, "contact_joined", contact_id="ida", role="decision_maker")
    stage.pass_days(5)


def review_overdue(stage: Stage) -> None:
    signal(stage, "review_held")
    stage.pass_days(100)
    assert stage.of_kind("review_overdue") == []
    stage.pass_days(1)
    assert stage.of_kind("review_overdue")[0]["signal"]["observed"] == 100
    signal(stage, "review_held")
    stage.pass_days(5)


def sentiment_gap(stage: Stage) -> None:
    work(stage, 60)
    signal(stage, "pulse", score=5.0)
    work(stage, 20, actions=5.0)
    assert stage.of_kind("sentiment_gap")[0]["signal"]["expected"] == pytest.approx(560)
    signal(stage, "pulse", score=2.0)
    stage.pass_days(6)


def quota_burn(stage: Stage) -> None:
    stage.send("account.profiles", {"quota_actions": 600.0})
    work(stage, 26)
    assert stage.of_kind("quota_burn") == []
    work(stage, 1)
    assert stage.of_kind("quota_burn")[0]["signal"]["observed"] == 540
    stage.send("account.profiles", {"quota_actions": 6000.0})
    stage.pass_days(5)


def advocate_ready(stage: Stage) -> None:
    work(stage, 40)
    signal(stage, "nps", score=9.0, contact_id="jo")
    work(stage, 28, actions=30.0)
    assert stage.of_kind("advocate_ready")[0]["status"] == "firing"
    signal(stage, "nps", score=3.0, contact_id="ida")
    stage.pass_days(5)


def advocacy_moment(stage: Stage) -> None:
    stage.restart(EngineConfig(enabled_kinds=("advocacy_moment",)))
    signal(stage, "csat", score=5.0)
    signal(stage, "risk_raised")
    stage.pass_days(1)
    assert stage.of_kind("advocacy_moment") == []
    signal(stage, "risk_cleared")
    stage.pass_days(1)
    assert len(stage.of_kind("advocacy_moment")) == 1
    stage.pass_days(10)


def team_at_work(stage: Stage, days: int, *users: str, feature: str = "home") -> None:
    for _ in range(days):
        for user in users:
            stage.send(USAGE, {"user_id": user, "feature": feature, "quantity": 1.0})
        stage.pass_days(1)


def new_team(stage: Stage) -> None:
    team_at_work(stage, 84, "a@acme.com")
    team_at_work(stage, 1, "a@acme.com", "b@labs.com", "c@labs.com", "b@acme.com", "c@acme.com")
    assert stage.of_kind("new_team") == []
    team_at_work(stage, 1, "d@labs.com")
    stage.pass_days(1)
    assert stage.of_kind("new_team")[0]["evidence"]["value"] == 3
    team_at_work(stage, 32, "a@acme.com")


def premium_probing(stage: Stage) -> None:
    stage.send("account.profiles", {"entitled_features": ["home"]})
    team_at_work(stage, 84, "u")
    team_at_work(stage, 2, "u", feature="lab")
    stage.pass_days(1)
    assert stage.of_kind("premium_probing") == []
    team_at_work(stage, 1, "u", feature="lab")
    stage.pass_days(1)
    assert stage.of_kind("premium_probing")[0]["signal"]["observed"] == 1
    stage.send("account.profiles", {"entitled_features": ["home", "lab"]})
    stage.pass_days(5)


def new_power_users(stage: Stage) -> None:
    team_at_work(stage, 80, "u")
    team_at_work(stage, 40, "u", "v", "w", "x")
    signal = stage.of_kind("new_power_users")[0]["signal"]
    assert (signal["observed"], signal["expected"]) == (4, 1)
    team_at_work(stage, 28, "u")


STORIES: list[Callable[[Stage], None]] = [
    onboarding_stalled, trial_stalled, stage_stalled, sponsor_missing, key_contact_missing, review_overdue,
    sentiment_gap, quota_burn,
    advocate_ready, advocacy_moment, new_team, premium_probing, new_power_users,
]  # fmt: skip


def test_every_kind_has_a_story() -> None:
    tables = (relationship.DETECTORS, newcomers.DETECTORS, advocacy.DETECTORS)
    told = {detector.KIND.name for detectors in tables for detector in detectors}
    assert {story.__name__ for story in STORIES} == {*told, "sentiment_gap", "quota_burn"}


@pytest.mark.parametrize("story", STORIES)
def test_it_is_raised_and_ends(story: Callable[[Stage], None]) -> None:
    stage = Stage()
    story(stage)
    steps = [
        (alert["revision"], alert["status"], alert["transition_reason"]) for alert in stage.of_kind(story.__name__)
    ]
    assert steps == [(1, "firing", "detected"), (2, "resolved", "recovered")]


def test_a_milestone_that_is_due_and_not_reached_is_raised_as_of_its_date_and_ends_when_reached_before() -> None:
    stage = Stage()
    due_at = stage.now_ms + 10 * 3_600_000
    signal(stage, "milestone_planned", subject="launch", due_at=due_at)
    stage.pass_days(1)
    (opened,) = stage.of_kind("milestone_overdue")
    assert (opened["starts_at"], opened["dimension"]) == (due_at, "launch")
    stage.send(SIGNALS, {"type": "milestone_reached", "subject": "launch"}, back_hours=20)
    resolved = stage.of_kind("milestone_overdue")[1]
    assert (resolved["status"], resolved["ends_at"]) == ("resolved", due_at)
    stage.pass_days(3)
    assert len(stage.of_kind("milestone_overdue")) == 2


def test_an_expansion_that_is_realised_ends_what_was_waiting_for_it_and_nothing_new_is_looked_for_for_four_weeks() -> (
    None
):
    stage = Stage()
    stage.send("account.profiles", {"quota_actions": 600.0})
    work(stage, 30)
    stage.send(BILLING, {"type": "subscription_changed", "mrr_minor_before": 100, "mrr_minor_after": 200})
    assert len(stage.of_kind("expansion_realised")) == 1
    work(stage, 28)
    reasons = [alert["transition_reason"] for alert in stage.of_kind("quota_burn")]
    assert reasons == ["detected", "realised"]
    work(stage, 1)
    assert len(stage.of_kind("quota_burn")) == 3
