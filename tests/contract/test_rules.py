"""What every immediate rule must offer, and that each opens, is seen and ends."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.kinds import KINDS
from pipeline.rules import RULES
from pipeline.rules.rule import Rule
from pipeline.scorecards.profiles import HealthProfile
from schemas.event_types import ALERT_SEVERITIES
from tests.support.scene import Stage
from tests.support.wire import symbols

each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
SUBSCRIPTION = {"subscription_id": "s"}
ANOTHER = {"type": "trial_started", "subscription_id": "another"}
"""It goes on, so that the account does."""
INVOICE = {"subscription_id": "s", "invoice_id": "i"}
CONTACT, SUBJECT = {"contact_id": "jo"}, {"subject": "launch"}


def nps(points: float) -> dict[str, Any]:
    return {"type": "nps", "score": points, **CONTACT}


SCENES: dict[str, tuple[list[dict[str, Any]], dict[str, Any] | None]] = {
    "payment_failed": ([{"type": "payment_failed", **INVOICE}], {"type": "invoice_paid", **INVOICE}),
    "invoice_overdue": ([{"type": "invoice_overdue", **INVOICE}], {"type": "invoice_paid", **INVOICE}),
    "subscription_downgraded": (
        [
            {"type": "subscription_started", **SUBSCRIPTION, "mrr_minor_after": 900},
            {"type": "subscription_changed", **SUBSCRIPTION, "mrr_minor_after": 300},
        ],
        {"type": "subscription_changed", **SUBSCRIPTION, "mrr_minor_after": 900},
    ),
    "subscription_cancelled": (
        [ANOTHER, {"type": "subscription_cancelled", **SUBSCRIPTION}],
        {"type": "subscription_reactivated", **SUBSCRIPTION},
    ),
    "trial_expired": (
        [ANOTHER, {"type": "trial_started", **SUBSCRIPTION}, {"type": "trial_expired", **SUBSCRIPTION}],
        {"type": "subscription_started", **SUBSCRIPTION},
    ),
    "expansion_realised": (
        [{"type": "subscription_changed", **SUBSCRIPTION, "mrr_minor_before": 300, "mrr_minor_after": 900}],
        None,
    ),
    "ticket_escalated": ([{"type": "escalated", "ticket_id": "t"}], {"type": "closed", "ticket_id": "t"}),
    "ticket_reopened": ([{"type": "reopened", "ticket_id": "t"}] * 2, {"type": "resolved", "ticket_id": "t"}),
    "sla_breached": ([{"type": "sla_breached", "ticket_id": "t"}], {"type": "closed", "ticket_id": "t"}),
    "ticket_dissatisfied": (
        [{"type": "csat_given", "ticket_id": "t", "csat": 1}],
        {"type": "csat_given", "ticket_id": "t", "csat": 4},
    ),
    "sponsor_left": ([{"type": "sponsor_left"}], {"type": "sponsor_changed", "contact_id": "ida"}),
    "champion_left": (
        [
            {"type": "contact_joined", "contact_id": "jo", "role": "champion"},
            {"type": "contact_left", "contact_id": "jo"},
        ],
        {"type": "contact_changed", "contact_id": "ida", "role": "champion"},
    ),
    "meetings_missed": ([{"type": "meeting_missed"}] * 2, {"type": "review_held"}),
    "survey_detractor": ([nps(6)], nps(7)),
    "promoter_lost": ([nps(9), nps(6)], nps(8)),
    "csat_low": ([{"type": "csat", "score": 2.0, **CONTACT}], {"type": "csat", "score": 3.0, **CONTACT}),
    "pulse_red": ([{"type": "pulse", "score": 2.0}], {"type": "pulse", "score": 3.0}),
    "support_quality_low": ([{"type": "qa_scored", "score": 50.0}], {"type": "qa_scored", "score": 60.0}),
    "milestone_overdue": ([{"type": "milestone_missed", **SUBJECT}], {"type": "milestone_reached", **SUBJECT}),
    "outcome_overdue": ([{"type": "outcome_missed", **SUBJECT}], {"type": "outcome_planned", **SUBJECT}),
    "risk_opened": ([{"type": "risk_raised", **SUBJECT}], {"type": "risk_cleared", **SUBJECT}),
    "integration_disconnected": (
        [{"type": "integration_disconnected", **SUBJECT}],
        {"type": "integration_connected", **SUBJECT},
    ),
    "referral_given": ([{"type": "referral_given"}], None),
}
"""For each rule the events that raise it and the one that ends it; none where only time does."""


def statuses(stage: Stage, kind: str) -> list[tuple[int, str, str]]:
    return [
        (alert["revision"], alert["status"], alert["transition_reason"])
        for alert in stage.alerts
        if alert["kind"] == kind
    ]


def raised(rule: Rule) -> Stage:
    """An account on which the rule's events have happened, an hour apart."""
    stage = Stage()
    for event in SCENES[rule.name][0]:
        stage.pass_hours(1)
        stage.send(rule.topic, event)
    return stage


def test_every_rule_has_a_scene() -> None:
    assert set(SCENES) == {rule.name for rule in RULES}


@each_rule
def test_a_rules_events_exist(rule: Rule) -> None:
    known = symbols(rule.topic)["type"]
    begin, end = SCENES[rule.name]
    assert {event["type"] for event in [*begin, *([end] if end else [])]} <= known


@each_rule
def test_a_rule_opens_with_the_record_that_brings_the_fact(rule: Rule) -> None:
    stage = raised(rule)
    [alert] = [alert for alert in stage.alerts if alert["kind"] == rule.name]
    assert (alert["revision"], alert["status"], alert["transition_reason"]) == (1, "firing", "detected")
    assert alert["starts_at"] == alert["detected_at"] == alert["updated_at"] == stage.now_ms
    assert alert["severity"] == rule.severity_at(alert["signal"]["observed"])


@each_rule
def test_a_rule_ends_with_the_record_that_ends_it(rule: Rule) -> None:
    stage, end = raised(rule), SCENES[rule.name][1]
    if end is None:
        assert rule.ended_by == ()
        return
    stage.pass_hours(1)
    stage.send(rule.topic, end)
    assert statuses(stage, rule.name)[-1] == (2, "resolved", "recovered")
    assert [alert["ends_at"] for alert in stage.alerts if alert["kind"] == rule.name][-1] == stage.now_ms


@each_rule
def test_a_rule_that_nothing_ends_expires_with_its_days_and_not_before(rule: Rule) -> None:
    stage = raised(rule)
    if rule.days is None:
        stage.pass_days(200)
        assert len(statuses(stage, rule.name)) == 1
        return
    stage.pass_days(rule.days)
    assert len(statuses(stage, rule.name)) == 1
    stage.pass_days(1)
    assert statuses(stage, rule.name)[-1] == (2, "resolved", "expired")


@each_rule
def test_what_ended_is_not_raised_by_an_older_fact_that_comes_late(rule: Rule) -> None:
    begin, end = SCENES[rule.name]
    if end is None:
        return
    stage = Stage()
    stage.pass_hours(10)
    stage.send(rule.topic, end)
    before = len(statuses(stage, rule.name))
    stage.send(rule.topic, begin[-1], back_hours=2)
    assert len(statuses(stage, rule.name)) == before


@each_rule
def test_the_same_fact_again_updates_the_open_alert_or_does_nothing(rule: Rule) -> None:
    stage = raised(rule)
    again = dict(SCENES[rule.name][0][-1])
    if "mrr_minor_after" in again:
        again |= {"mrr_minor_before": again["mrr_minor_after"], "mrr_minor_after": again["mrr_minor_after"] // 3 * 2}
        again["mrr_minor_after"] += again["mrr_minor_before"] if rule.opened_by == "mrr_grew" else 0
    stage.pass_hours(1)
    stage.send(rule.topic, again)
    revisions = [revision for revision, status, _ in statuses(stage, rule.name) if status == "firing"]
    assert revisions == ([1, 2] if rule.repeats else [1])


@each_rule
def test_a_rules_severities_rise(rule: Rule) -> None:
    steps = [rule.severity, *(severity for _, severity in rule.ladder)]
    assert steps == sorted(steps, key=ALERT_SEVERITIES.index)
    assert [value for value, _ in rule.ladder] == sorted(value for value, _ in rule.ladder)


@each_rule
def test_a_rule_says_in_words_what_raises_and_what_ends_it(rule: Rule) -> None:
    kind = KINDS[rule.name]
    for sentence in (kind.condition, kind.resolution, rule.dimension):
        assert sentence
        assert not sentence.endswith(".")
    if rule.days is not None:
        assert f"{rule.days} days" in kind.resolution


@each_rule
def test_a_rule_that_is_switched_off_raises_nothing(rule: Rule) -> None:
    stage = Stage(EngineConfig(disabled_kinds=(rule.name,)))
    for event in SCENES[rule.name][0]:
        stage.pass_hours(1)
        stage.send(rule.topic, event)
    stage.pass_days(3)
    assert stage.of_kind(rule.name) == []


def test_what_is_open_when_its_kind_is_switched_off_ends_at_the_next_close() -> None:
    stage = Stage()
    stage.send("ticket.events", {"type": "escalated", "ticket_id": "t"})
    stage.restart(EngineConfig(disabled_kinds=("ticket_escalated",)))
    stage.pass_days(1)
    assert statuses(stage, "ticket_escalated")[1:] == [(2, "resolved", "config_change")]


def test_a_kind_may_be_off_for_one_segment_only() -> None:
    small = HealthProfile("small", ("default",), segments=("smb",), disabled_kinds=("ticket_escalated", "p1_open"))
    stage = Stage(EngineConfig(profiles=(small,)))
    stage.send("ticket.events", {"type": "opened", "ticket_id": "t", "priority": "p1"})
    stage.send("ticket.events", {"type": "escalated", "ticket_id": "t"})
    stage.pass_days(3)
    assert [alert["kind"] for alert in stage.alerts] == ["ticket_escalated", "p1_open"]
    stage.send("account.profiles", {"segment": "smb"})
    stage.pass_days(2)
    for kind in small.disabled_kinds:
        assert statuses(stage, kind)[1:] == [(2, "resolved", "config_change")]
    stage.send("ticket.events", {"type": "escalated", "ticket_id": "t"})
    stage.send("ticket.events", {"type": "sla_breached", "ticket_id": "t"})
    stage.pass_days(1)
    assert [alert["kind"] for alert in stage.alerts[4:]] == ["sla_breached"]
    stage.send("account.profiles", {"segment": "large"})
    stage.pass_days(2)
    assert [alert["kind"] for alert in stage.alerts[5:]] == ["p1_open"]


@pytest.mark.parametrize(
    "config",
    [
        EngineConfig(disabled_kinds=("nonsense",)),
        EngineConfig(profiles=(HealthProfile("small", ("default",), disabled_kinds=("nonsense",)),)),
    ],
)
def test_an_unknown_kind_cannot_be_switched_off(config: EngineConfig) -> None:
    with pytest.raises(ValueError, match="no kinds of alert called nonsense"):
        Feed(config, 0)


def test_a_scene_runs_on_the_default_settings() -> None:
    assert Stage().config == EngineConfig()
