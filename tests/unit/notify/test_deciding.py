"""Who is told what of a case and when: decided by values alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.notify.deciding import DROPPED, Message, Told, alert_messages, digest, messages, ways
from pipeline.notify.routing import Person, Route, Routing
from tests.support.cases import case

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def at(text: str) -> int:
    """An instant by the clocks of Berlin."""
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * 1000


NOON = at("2026-03-10T12:00")
CHANNELS = {"chat": "slack", "pager": "pagerduty", "mail": "email"}
PEOPLE = {
    each.owner: each
    for each in (
        Person(owner="ana", email="ana@example.com", manager="max"),
        Person(owner="max", email="max@example.com", manager="cho", timezone="America/New_York"),
        Person(owner="cho", manager="ana"),
    )
}


def routing(*routes: Route, **changed: Any) -> Routing:
    return Routing(
        routes=routes or (Route(receiver="chat"),),
        people=PEOPLE,
        channels=CHANNELS,
        without_digest=frozenset({"pager"}),
        timezone="Europe/Berlin",
        **changed,
    )


def told_by(found: list[Message], before: Mapping[str, Told] | None = None) -> dict[str, Told]:
    """What receivers know after these messages."""
    told = dict(before or {})
    for each in found:
        if each.event != "escalated":
            told[each.receiver] = each.told()
    return told


def told_through(rules: Routing, *states: dict[str, Any]) -> list[list[tuple[str, str, bool]]]:
    """Receiver, event and whether it stands alone, for each state of one case in turn."""
    told: dict[str, Told] = {}
    steps = []
    for revision, state in enumerate(states, 1):
        found = messages(rules, case(**{"updated_at": NOON, "revision": revision, **state}), told, NOON)
        told = told_by(found, told)
        steps.append([(each.receiver, each.event, each.digest is None) for each in found if each.state != DROPPED])
    return steps


def test_only_what_cannot_wait_is_told_at_once_and_the_rest_once_a_day() -> None:
    assert told_through(routing(), {"severity": "critical"}) == [[("chat", "opened", True)]]
    assert told_through(routing(), {"severity": "error"}) == [[("chat", "opened", False)]]


def test_programs_get_no_digest() -> None:
    rules = routing(Route(receiver="pager"))
    assert told_through(rules, {"severity": "error"}, {"severity": "critical"}) == [[], [("pager", "opened", True)]]


def test_a_case_is_told_of_through_its_life_and_never_twice() -> None:
    critical = {"severity": "critical"}
    assert told_through(
        routing(),
        {"severity": "error"},
        {"severity": "error", "arr_minor": 5},
        critical,
        critical,
        {**critical, "status": "acknowledged"},
        {**critical, "status": "acknowledged", "steps_done": ["call"]},
        {**critical, "status": "snoozed"},
        critical,
        {**critical, "status": "closed"},
        {**critical, "status": "closed", "outcome": "saved"},
        critical,
    ) == [
        [("chat", "opened", False)],
        [],
        [("chat", "worsened", True)],
        [],
        [("chat", "acknowledged", True)],
        [],
        [("chat", "snoozed", True)],
        [("chat", "reopened", True)],
        [("chat", "closed", True)],
        [],
        [("chat", "reopened", True)],
    ]


def test_in_a_digest_nobody_is_told_what_a_person_did_but_what_ended_by_itself() -> None:
    mild = {"severity": "warning"}
    ended, closed = {**mild, "status": "closed"}, {**mild, "status": "closed", "closed_by": "ana"}
    opened, again = [("chat", "opened", False)], [("chat", "reopened", False)]
    assert told_through(routing(), mild, {**mild, "status": "acknowledged"}, closed, mild) == [opened, [], [], again]
    assert told_through(routing(), mild, ended) == [opened, [("chat", "closed", False)]]


@pytest.mark.parametrize("status", ["acknowledged", "snoozed", "closed"])
def test_who_never_was_told_is_not_told_of_the_end(status: str) -> None:
    assert told_through(routing(), {"severity": "critical", "status": status}) == [[]]


def test_a_snoozed_case_is_silent_until_it_comes_back() -> None:
    mild, asleep = {"severity": "warning"}, {"severity": "critical", "status": "snoozed"}
    assert told_through(routing(), mild, asleep, {"severity": "critical"})[1:] == [[], [("chat", "reopened", True)]]


def test_what_was_told_at_once_is_followed_up_although_the_route_takes_it_no_more() -> None:
    rules = routing(Route(receiver="pager", severity="critical"))
    steps = told_through(
        rules, {"severity": "critical"}, {"severity": "info"}, {"severity": "info", "status": "closed"}
    )
    assert steps == [[("pager", "opened", True)], [], [("pager", "closed", True)]]


def test_a_step_that_is_overdue_is_told_once_and_in_the_digest() -> None:
    late = {"severity": "critical", "overdue": True}
    assert told_through(routing(), {"severity": "critical"}, late, late)[1:] == [[("chat", "overdue", False)], []]
    assert told_through(routing(Route(receiver="pager")), {"severity": "critical"}, late)[1] == []


def test_a_case_that_is_given_to_somebody_else_is_news_to_them() -> None:
    mild, ben = {"severity": "warning"}, {"severity": "warning", "assignee": "ben"}
    opened, assigned = [("chat", "opened", False)], [("chat", "assigned", False)]
    assert told_through(routing(), mild, ben, ben, mild) == [opened, assigned, [], assigned]
    assert told_through(routing(), {**mild, "owner": None}, ben) == [opened, []], "its owner is known only now"


def test_several_routes_to_one_receiver_are_one_message() -> None:
    rules = routing(Route(receiver="chat"), Route(receiver="chat", immediate="info"), Route(receiver="pager"))
    assert told_through(rules, {"severity": "warning"}) == [[("chat", "opened", True)]]


@pytest.mark.parametrize(
    ("route", "why"),
    [
        (Route(receiver="chat", subjects=("growth", "fleet")), "subject is not growth or fleet"),
        (Route(receiver="chat", kinds=("payment_overdue",)), "kind is not payment_overdue"),
        (Route(receiver="chat", segments=("smb",)), "segment is not smb"),
        (Route(receiver="chat", owners=("ben",)), "owner is not ben"),
        (Route(receiver="chat", teams=("south",)), "team is not south"),
        (Route(receiver="chat", severity="critical"), "severity is below critical"),
        (Route(receiver="chat", arr_at_least=120_001), "ARR is below 120,001"),
        (
            Route(
                receiver="chat", subjects=("risk",), kinds=("usage_decline",), segments=("enterprise",),
                owners=("ana",), teams=("north",), severity="error", arr_at_least=120_000,
            ),
            None,
        ),
    ],
)  # fmt: skip
def test_a_route_takes_what_it_names_and_says_why_not(route: Route, why: str | None) -> None:
    (way,) = ways(routing(route), case(), team="north")
    assert (way.mismatch, way.how) == (why, "never" if why else "digest")


def test_money_is_compared_in_units_of_its_currency_and_an_assignee_is_the_owner() -> None:
    rich = Route(receiver="chat", arr_at_least=1_000)
    assert rich.mismatch(case(arr_minor=1_000, currency="JPY"), None) is None
    assert rich.mismatch(case(arr_minor=99_999, currency="EUR"), None) == "ARR is below 1,000"
    assert rich.mismatch(case(arr_minor=None), None) == "ARR is below 1,000"
    assert Route(receiver="chat", owners=("ben",)).mismatch(case(assignee="ben"), None) is None


def test_quiet_hours_of_the_owner_hold_back_what_is_not_critical() -> None:
    rules = routing(Route(receiver="chat", immediate="warning", quiet="20:00-07:00"))
    for now, owner, until in (
        ("2026-03-10T23:00", "ana", "2026-03-11T07:00"),
        ("2026-03-10T06:59", "ana", "2026-03-10T07:00"),
        ("2026-03-10T07:00", "ana", "2026-03-10T07:00"),
        ("2026-03-10T19:59", "ana", "2026-03-10T19:59"),
        ("2026-03-10T08:00", "max", "2026-03-10T12:00"),
    ):
        stated = case(severity="error", owner=owner, updated_at=at(now))
        (message,) = messages(rules, stated, {}, at(now))
        assert message.not_before_ms == at(until), now
        (message,) = messages(rules, {**stated, "severity": "critical"}, {}, at(now))
        assert message.not_before_ms == at(now)


def test_of_several_routes_to_one_receiver_the_one_counts_that_waits_least() -> None:
    late, noon = Route(receiver="chat", quiet="11:00-15:00"), Route(receiver="chat", quiet="12:00-13:00")
    for rules, until in (
        (routing(late, noon, immediate="error"), "2026-03-10T13:00"),
        (routing(late, immediate="error", quiet="12:00-13:00"), "2026-03-10T15:00"),
        (routing(late, Route(receiver="chat"), immediate="error"), "2026-03-10T12:00"),
    ):
        (message,) = messages(rules, case(severity="error", updated_at=NOON), {}, NOON)
        assert message.not_before_ms == at(until)


def test_a_digest_is_due_at_its_hour_in_the_time_zone_of_the_owner() -> None:
    rules = routing(digest_at="08:30")
    for now, owner, due in (
        ("2026-03-10T08:29", "ana", "2026-03-10T08:30"),
        ("2026-03-10T08:30", "ana", "2026-03-11T08:30"),
        ("2026-03-28T12:00", "ana", "2026-03-29T08:30"),
        ("2026-03-10T12:00", "max", "2026-03-10T13:30"),
    ):
        (message,) = messages(rules, case(severity="warning", owner=owner, updated_at=at(now)), {}, at(now))
        assert (message.not_before_ms, message.digest) == (at(due), owner), now


def test_history_that_is_read_again_is_told_to_nobody_but_its_end_to_those_who_were_told() -> None:
    old = case(severity="critical", updated_at=NOON - 73 * HOUR_MS)
    assert messages(routing(), old, {}, NOON) == []
    told = {"chat": Told("open", "critical", "ana", overdue=False, at_once=True)}
    assert [each.event for each in messages(routing(), {**old, "status": "closed"}, told, NOON)] == ["closed"]


def test_ids_are_functions_of_what_is_told() -> None:
    rules = routing(Route(receiver="chat"), Route(receiver="pager"))
    stated = case(severity="critical", updated_at=NOON)
    first, second = messages(rules, stated, {}, NOON)
    assert first.message_id != second.message_id
    assert [each.message_id for each in messages(rules, stated, {}, NOON + HOUR_MS)] == [
        first.message_id,
        second.message_id,
    ]
    assert messages(rules, {**stated, "revision": 9}, {}, NOON)[0].message_id != first.message_id
    assert messages(rules, {**stated, "case_id": "other"}, {}, NOON)[0].message_id != first.message_id


def test_managers_are_told_in_turn_until_somebody_acknowledges() -> None:
    rules = routing(escalate_to="mail", escalate_after_ms=45 * MINUTE_MS)
    stated = case(severity="critical", updated_at=NOON)
    opened, *escalations = messages(rules, stated, {}, NOON)
    assert opened.event == "opened"
    assert [(each.receiver, each.event, each.not_before_ms) for each in escalations] == [
        ("mail", "escalated", NOON + 45 * MINUTE_MS),
        ("mail", "escalated", NOON + 90 * MINUTE_MS),
    ]
    assert [each.body["addressee"] for each in escalations] == [
        {"owner": "max", "email": "max@example.com"},
        {"owner": "cho", "email": None},
    ]
    assert len({each.message_id for each in escalations}) == 2
    assert [each.event for each in messages(rules, {**stated, "severity": "error"}, {}, NOON)] == ["opened"]
    told = told_by([opened])
    acknowledged = messages(rules, {**stated, "status": "acknowledged"}, told, NOON)
    assert [each.event for each in acknowledged] == ["acknowledged"]
    told = {"chat": Told("acknowledged", "error", "ana", overdue=False, at_once=True)}
    assert [each.event for each in messages(rules, {**stated, "status": "acknowledged"}, told, NOON)] == ["worsened"]


def test_without_a_manager_the_receiver_is_told_all_the_same() -> None:
    rules = routing(escalate_to="mail")
    (_, escalated) = messages(rules, case(severity="critical", owner=None, updated_at=NOON), {}, NOON)
    assert escalated.body["addressee"] == {"owner": None, "email": None}


def alert(**changed: Any) -> dict[str, Any]:
    of = {
        "alert_id": "a1", "revision": 3, "status": "firing", "case_id": "c1", "account_id": "acme", "family": "risk",
        "kind": "subscription_cancelled", "severity": "critical", "summary": "cancelled", "updated_at": NOON,
        "detected_at": NOON, "owner": "ana", "play": {"id": "call", "title": "Call them", "due_at": NOON},
        "context": {"segment": "enterprise", "arr_minor": 12_000_000, "currency": "EUR"},
    }  # fmt: skip
    return of | changed


def test_an_alert_that_cannot_wait_is_told_before_its_case_is_written_and_then_not_again() -> None:
    (message,) = alert_messages(routing(), None, alert(), {}, NOON)
    assert (message.event, message.topic_key, message.revision) == ("opened", "c1", 0)
    assert message.body["text"] == "cancelled"
    assert ["ARR", "120,000 EUR"] in message.body["facts"]
    written = case(severity="critical", updated_at=NOON)
    assert messages(routing(), written, told_by([message]), NOON) == []
    assert alert_messages(routing(), None, alert(severity="error"), {}, NOON) == []


def test_an_alert_that_joins_a_case_is_told_when_it_is_graver_or_the_case_was_closed() -> None:
    told = {"chat": Told("open", "warning", "ana", overdue=False, at_once=False)}
    events = {
        (status, severity): [
            (each.event, each.revision)
            for each in alert_messages(
                routing(),
                case(status=status, severity=severity, revision=7, updated_at=NOON - HOUR_MS),
                alert(),
                {"chat": replace(told["chat"], status=status, severity=severity)},
                NOON,
            )
        ]
        for status in ("open", "acknowledged", "snoozed", "closed")
        for severity in ("warning", "critical")
    }
    graver = [("worsened", 7)]
    assert events == {
        ("open", "warning"): graver,
        ("open", "critical"): [],
        ("acknowledged", "warning"): graver,
        ("acknowledged", "critical"): [],
        ("snoozed", "warning"): graver,
        ("snoozed", "critical"): [],
        ("closed", "warning"): [("reopened", 7)],
        ("closed", "critical"): [("reopened", 7)],
    }
    closed = case(status="closed", updated_at=NOON)
    assert alert_messages(routing(), closed, alert(), told, NOON) == []


def test_an_alert_that_is_over_before_its_case_was_written_ends_what_it_began() -> None:
    opened = alert_messages(routing(), None, alert(), {}, NOON)
    over = alert(status="resolved", revision=4)
    assert [each.event for each in alert_messages(routing(), None, over, told_by(opened), NOON)] == ["closed"]
    assert alert_messages(routing(), None, over, {}, NOON) == []
    for severity in ("warning", "critical"):
        assert alert_messages(routing(), case(severity=severity), over, told_by(opened), NOON) == []


def test_what_is_on_trial_is_told_to_nobody() -> None:
    assert alert_messages(routing(), None, alert(shadow=True), {}, NOON) == []
    assert messages(routing(), case(severity="critical", updated_at=NOON, shadow=True), {}, NOON) == []


def test_a_digest_lists_the_gravest_first_and_counts_the_rest() -> None:
    rules = routing(console_url="https://console.example/")
    items = [
        (each.event, each.body)
        for n in range(25)
        for each in messages(rules, case(case_id=f"c{n}", severity="warning", priority=n, updated_at=NOON), {}, NOON)
    ]
    items += [("closed", case_body_of(rules, severity="error", case_id="grave"))]
    message = digest(rules, "chat", "ana", items, NOON, NOON + HOUR_MS)
    assert message.body["title"] == "26 cases for ana, 2026-03-10"
    assert message.body["text"] == "and 6 more"
    urls = [each["url"] for each in message.body["items"]]
    assert urls[:3] == [f"https://console.example/cases/{name}" for name in ("grave", "c24", "c23")]
    assert len(urls) == 20
    again = digest(rules, "chat", "ana", items[:1], NOON + HOUR_MS, NOON)
    assert (again.message_id, again.body["title"]) == (message.message_id, "1 case for ana, 2026-03-10")
    assert digest(rules, "chat", "ana", items, NOON + 24 * HOUR_MS, NOON).message_id != message.message_id


def case_body_of(rules: Routing, **changed: Any) -> dict[str, Any]:
    (message,) = messages(rules, case(updated_at=NOON, **changed), {}, NOON)
    return message.body


def test_a_message_says_what_happened_what_it_is_worth_and_what_to_do() -> None:
    body = case_body_of(routing())
    assert body["title"] == "New: Acme GmbH"
    assert body["text"] == "Usage fell by 40 %."
    assert body["facts"] == [
        ["Severity", "error"],
        ["Alert", "usage decline"],
        ["Open alerts", "2"],
        ["At stake", "60,000 EUR"],
        ["ARR", "120,000 EUR"],
        ["Renewal", "2026-06-01"],
        ["Next step", "Call the sponsor, due 2026-03-12"],
        ["Owner", "ana"],
    ]
    assert (
        case_body_of(routing(), account_name=None, account_id="fleet:smb", severity="critical")["title"] == "New: smb"
    )
