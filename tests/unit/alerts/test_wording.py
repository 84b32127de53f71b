"""Alerts in words: money as people read it, and time that is no percentage."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.alerts.lifecycle import Change
from pipeline.alerts.records import Alerting, Explanation
from pipeline.books.book import Book, Context, Episode
from pipeline.config import EngineConfig
from pipeline.kinds import KINDS
from pipeline.terms.days import Days
from schemas.topics import DAY_MS
from tests.oracle.model import SIGNALS, TICKETS
from tests.support.scene import Stage


def test_a_downgrade_is_told_in_money() -> None:
    stage = Stage()
    stage.send("account.profiles", {"name": "Acme", "currency": "JPY", "arr_minor": 12_000_000})
    stage.pass_days(1)
    change = {"type": "subscription_changed", "subscription_id": "s", "currency": "JPY", "seats_after": None}
    stage.send("billing.events", change | {"mrr_minor_before": 1_000_000, "mrr_minor_after": 600_000})
    [alert] = stage.of_kind("subscription_downgraded")
    assert alert["summary"] == "Acme: recurring revenue fell from 1,000,000 JPY to 600,000 JPY a month"
    assert (alert["signal"]["currency"], alert["signal"]["observed"]) == ("JPY", 600_000.0)


@pytest.mark.parametrize(
    ("topic", "events", "kind", "words"),
    [
        (SIGNALS, [{"type": "nps", "score": 3.0}], "survey_detractor",
         "a contact answered the NPS question with 3 of 10"),
        (SIGNALS, [{"type": "nps", "score": 3.0, "contact_id": "ann"}], "survey_detractor",
         "a contact (ann) answered the NPS question with 3 of 10"),
        (SIGNALS, [{"type": "nps", "score": score, "contact_id": "ann"} for score in (9.0, 3.0)], "promoter_lost",
         "a former promoter (ann) answered the NPS question with 3 of 10"),
        (SIGNALS, [{"type": "csat", "score": 1.0, "contact_id": "ann"}], "csat_low",
         "a contact (ann) rated the service 1 of 5"),
        (TICKETS, [{"type": "csat_given", "csat": 1, "ticket_id": "T1", "requester_id": "ann"}], "ticket_dissatisfied",
         "ticket T1 was rated 1 of 5 (ann)"),
        (SIGNALS, [{"type": "sponsor_left", "contact_id": "ann"}], "sponsor_left",
         "the executive sponsor (ann) has left"),
        (SIGNALS, [{"type": "contact_joined", "contact_id": "ann", "role": "champion"},
                   {"type": "contact_left", "contact_id": "ann"}], "champion_left", "the champion (ann) has left"),
        (SIGNALS, [{"type": "referral_given", "contact_id": "ann"}], "referral_given",
         "a referral or reference was given (ann)"),
        (SIGNALS, [{"type": "nps", "score": score, "contact_id": who} for who, score in (("bob", 10.0), ("ann", 9.0))],
         "advocacy_moment", "somebody (ann) was delighted this week"),
        (SIGNALS, [{"type": "outcome_reached", "contact_id": "ann"}], "advocacy_moment",
         "somebody (ann) was delighted this week"),
    ],
)  # fmt: skip
def test_an_alert_says_who_where_that_is_known(topic: str, events: list[dict[str, Any]], kind: str, words: str) -> None:
    stage = Stage(EngineConfig(enabled_kinds=("advocacy_moment",)))
    for event in events:
        stage.send(topic, event)
        stage.pass_hours(1)
    stage.pass_days(10)
    first, *later = stage.of_kind(kind)
    assert first["summary"] == f"Acme: {words}"
    known = [("contact", "ann")] if "ann" in words else []
    # To the end, whoever else has come by then.
    assert [[(one["kind"], one["ref"]) for one in each["top_contributors"]] for each in (first, *later)] == [
        known for _ in (first, *later)
    ]


def test_as_many_are_named_as_there_is_room_for_and_all_of_them_in_the_description() -> None:
    days = Days("UTC")
    at_ms = days.start_ms(20_000)
    people = [
        {"kind": "user", "ref": f"somebody.{n}@customer.example", "change": -5.0, "last_active_at": at_ms - n * DAY_MS}
        for n in range(4)
    ]
    episode = Episode("power_user_decline", "power_user_share", 20_006, at_ms, at_ms, "error", 0.2, 0.6, 9.0)
    explanation = Explanation(at_ms, at_ms + 7 * DAY_MS, contributors=people)
    kind, book, alerting = KINDS[episode.kind], Book(context=Context(name="Acme")), Alerting(EngineConfig())
    told = alerting.record(kind, "a", book, episode, Change("firing", "detected", at_ms), explanation, 20_006)
    assert told["summary"] == (
        "Acme: power users fell from 60% to 20% of the activity, the total is not down "
        "(somebody.0@customer.example, last on 2024-10-04; 3 more)"
    )
    assert "; somebody.3@customer.example, last on 2024-10-01)." in told["description"]
    ended = alerting.record(kind, "a", book, episode, Change("resolved", "recovered", at_ms), explanation, 20_006)
    assert "somebody" not in ended["description"]


def test_hours_that_a_ticket_is_open_are_no_percentage() -> None:
    stage = Stage()
    stage.send("ticket.events", {"type": "opened", "priority": "p1", "ticket_id": "T1"})
    stage.pass_days(4)
    [alert] = [alert for alert in stage.of_kind("p1_open") if alert["revision"] == 1]
    assert (alert["signal"]["unit"], alert["signal"]["change_pct"]) == ("hours", None)


def test_revenue_in_another_currency_is_not_the_old_revenue_come_back() -> None:
    stage = Stage()

    def price(mrr_minor: int, currency: str) -> list[str]:
        change = {"type": "subscription_changed", "subscription_id": "s", "mrr_minor_after": mrr_minor}
        stage.send("billing.events", change | {"currency": currency})
        stage.pass_days(1)
        return [alert["status"] for alert in stage.of_kind("subscription_downgraded")]

    price(10_000, "EUR")
    assert price(6_000, "EUR") == ["firing"]
    assert price(15_000, "JPY") == ["firing"]
    assert price(20_000, "JPY") == ["firing"]
    price(15_000, "JPY")
    assert price(20_000, "jpy")[-1] == "resolved"


def test_longer_without_activity_is_less_of_it_and_no_percentage() -> None:
    stage = Stage()
    for _ in range(63):
        stage.send("usage.events", {"user_id": "u", "feature": "home", "quantity": 5.0})
        stage.pass_days(1)
    stage.pass_days(12)
    [alert] = [alert for alert in stage.of_kind("silence") if alert["revision"] == 1]
    [activity] = [each for each in alert["dimensions"] if each["name"] == "activity"]
    assert (activity["state"], activity["change_pct"], alert["signal"]["change_pct"]) == ("down", None, None)
