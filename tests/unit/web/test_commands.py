"""Commands of people: what is sent, under whose name, and what is refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert

from agents.process.exits import UnreachableError
from agents.web.commands import NEEDS, CommandError, CommandSender
from agents.web.people import ForbiddenError, NotSeenError, Person
from schemas.codec.encode import RecordDecoder
from schemas.event_types import COMMAND_ACTIONS
from schemas.registry.source import FileRegistry
from sinks.database import tables
from tests.support.databases import rows
from tests.unit.web.shell import Shell, case

DAY_MS = 86_400_000
NOW_MS = time.time_ns() // 1_000_000
GIVEN: dict[str, Any] = {
    "until": NOW_MS + DAY_MS,
    "since": NOW_MS,
    "note": "why",
    "outcome": "saved",
    "verdict": "useful",
    "assignee": "bob@example.org",
}


def person(role: Any = "operator", *owners: str) -> Person:
    return Person("ann", "Ann", role, "own" if owners else "all", frozenset(owners) or None, "10.0.0.1")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def sender(shell: Shell) -> CommandSender:
    found: CommandSender = shell.app.state.sender
    return found


def record(shell: Shell, schema: str = "alert_command") -> dict[str, Any]:
    return RecordDecoder(schema, FileRegistry()).decode(shell.sent[-1][2])


@pytest.mark.parametrize("given", [{"case_id": "case-fleet"}, {"account_id": "fleet:smb"}])
def test_what_is_of_all_accounts_takes_no_commands(shell: Shell, sender: CommandSender, given: dict[str, str]) -> None:
    shell.run(insert(tables.cases).values(case("case-fleet", "lost") | {"account_id": "fleet"}))
    with pytest.raises(CommandError, match="takes no commands; it ends by itself"):
        sender.send(person(), {"action": "expected", "since": NOW_MS, "until": NOW_MS + DAY_MS, **given})
    assert shell.sent == []


def test_every_action_of_the_wire_can_be_given() -> None:
    assert NEEDS.keys() == COMMAND_ACTIONS


@pytest.mark.parametrize("action", sorted(NEEDS))
def test_a_command_is_sent_under_the_account_with_its_author_and_is_written_down(
    shell: Shell, sender: CommandSender, action: str
) -> None:
    given = {"case_id": "case-acme", **{name: GIVEN[name] for name in NEEDS[action] if name in GIVEN}}
    command_id = sender.send(person(), {"action": action, **given})
    [(topic, key, _)] = shell.sent
    assert (topic, key) == ("alert.commands", b"acme")
    said = record(shell)
    assert said["issued_at"] >= NOW_MS
    assert said.items() >= {**given, "command_id": command_id, "author": "ann", "account_id": "acme"}.items()
    assert rows(shell.url, "SELECT person, action, object, result, address FROM audit") == [
        {
            "person": "ann",
            "action": action,
            "object": f"acme {command_id}",
            "result": "sent",
            "address": "10.0.0.1",
        }
    ]


def test_feedback_is_about_the_lead_alert_and_a_step_is_the_next_one(shell: Shell, sender: CommandSender) -> None:
    sender.send(person(), {"action": "feedback", "case_id": "case-acme", "verdict": "useful"})
    assert record(shell)["alert_id"] == "alert-acme"
    sender.send(person(), {"action": "feedback", "case_id": "case-acme", "verdict": "useful", "kind": "silence"})
    assert record(shell)["alert_id"] is None
    sender.send(person(), {"action": "step_done", "case_id": "case-acme"})
    assert record(shell)["play_id"] == "call_sponsor"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"action": "explode"}, "action"),
        ({}, "action"),
        ({"action": "acknowledge", "case_id": ""}, "case_id"),
        ({"action": "snooze"}, "until"),
        ({"action": "snooze", "until": NOW_MS - 1}, "until"),
        ({"action": "snooze", "until": "tomorrow"}, "until"),
        ({"action": "snooze", "until": True}, "until"),
        ({"action": "expected", "since": NOW_MS, "until": NOW_MS}, "until"),
        ({"action": "resolve", "outcome": "won"}, "outcome"),
        ({"action": "feedback", "verdict": "great"}, "verdict"),
        ({"action": "comment", "note": "x" * 1_025}, "note"),
        ({"action": "comment", "note": "a\x00b"}, "note"),
        ({"action": "comment", "note": 7}, "note"),
        ({"action": "acknowledge", "colour": "red"}, "colour"),
        ({"action": "acknowledge", "author": "somebody"}, "author"),
        ({"action": "acknowledge", "issued_at": 1}, "issued_at"),
        ({"action": "acknowledge", "command_id": "mine"}, "command_id"),
    ],
)
def test_what_cannot_be_is_refused_and_says_why(
    shell: Shell, sender: CommandSender, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(CommandError) as refused:
        sender.send(person(), {"case_id": "case-acme", **wrong})
    assert field in str(refused.value)
    assert shell.sent == []


def test_a_viewer_gives_no_command_and_the_attempt_is_written_down(shell: Shell, sender: CommandSender) -> None:
    with pytest.raises(ForbiddenError):
        sender.send(person("viewer"), {"action": "acknowledge", "case_id": "case-acme"})
    with pytest.raises(ForbiddenError):
        sender.pulse(person("viewer"), "acme", 3)
    assert shell.sent == []
    assert rows(shell.url, "SELECT action, result FROM audit ORDER BY at_ms") == [
        {"action": "acknowledge", "result": "forbidden"},
        {"action": "pulse", "result": "forbidden"},
    ]


@pytest.mark.parametrize(
    "of",
    [
        {"case_id": "case-brix"},
        {"case_id": "nowhere"},
        {"case_id": "case-lost"},
        {"case_id": "case-acme", "account_id": "brix"},
    ],
)
def test_cases_of_other_owners_are_as_if_they_were_not(shell: Shell, sender: CommandSender, of: dict[str, str]) -> None:
    with pytest.raises(NotSeenError, match=r"^there is no such case, alert or account$"):
        sender.send(person("admin", "ann@example.org"), {"action": "acknowledge", **of})
    assert shell.sent == []


@pytest.mark.parametrize("of", [{"account_id": "brix"}, {"account_id": "nowhere"}, {"alert_id": "alert-brix"}])
def test_so_are_their_accounts_and_alerts(shell: Shell, sender: CommandSender, of: dict[str, str]) -> None:
    who = person("operator", "ann@example.org")
    with pytest.raises(NotSeenError):
        sender.send(who, {"action": "feedback", "verdict": "useful", "kind": "silence", **of})
    with pytest.raises(NotSeenError):
        sender.pulse(who, "brix", 1)
    assert shell.sent == []


def test_whoever_a_case_is_assigned_to_may_act_on_it(shell: Shell, sender: CommandSender) -> None:
    shell.run(tables.cases.update().where(tables.cases.c.case_id == "case-brix").values(assignee="ann@example.org"))
    sender.send(person("operator", "ann@example.org"), {"action": "acknowledge", "case_id": "case-brix"})
    assert shell.sent[0][1] == b"brix"


def test_an_id_of_ones_own_may_be_used_again_and_that_of_somebody_else_may_not(
    shell: Shell, sender: CommandSender
) -> None:
    command_id = str(uuid4())
    given = {"action": "acknowledge", "case_id": "case-acme", "command_id": command_id}
    values = {"command_id": command_id, "account_id": "acme", "action": "acknowledge", "issued_at_ms": 1}
    shell.run(insert(tables.alert_commands).values(author="ann", **values))
    assert sender.send(person(), given) == command_id
    shell.run(tables.alert_commands.update().values(author="bob"))
    with pytest.raises(CommandError, match="somebody else's"):
        sender.send(person(), given)


def test_a_pulse_is_a_signal_of_the_customer(shell: Shell, sender: CommandSender) -> None:
    event_id = sender.pulse(person(), "acme", 2, "quiet lately")
    assert shell.sent[0][:2] == ("customer.signals", b"acme")
    assert record(shell, "customer_signal").items() >= {
        "event_id": event_id, "type": "pulse", "score": 2.0, "scale": 5.0, "author": "ann",
        "attributes": {"note": "quiet lately"},
    }.items()  # fmt: skip
    with pytest.raises(CommandError):
        sender.pulse(person(), "acme", 6)
    with pytest.raises(NotSeenError):
        sender.pulse(person(), "nowhere", 3)


def test_what_no_broker_took_is_said_and_written_down(shell: Shell) -> None:
    def publish(*_: object) -> None:
        message = "alert.commands did not take it"
        raise UnreachableError(message)

    sender = CommandSender(shell.app.state.store, FileRegistry(), publish)
    with pytest.raises(UnreachableError):
        sender.send(person(), {"action": "acknowledge", "case_id": "case-acme"})
    results = rows(shell.url, "SELECT result FROM audit ORDER BY at_ms, result DESC")
    assert [row["result"] for row in results] == ["sent", "not acknowledged"]
