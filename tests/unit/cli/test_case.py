"""`foreshock case`: what is shown of cases, and commands on the embedded broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from sqlalchemy import insert

from agents.kafka.embedded import PARTITIONS, EmbeddedBroker
from schemas.codec.encode import RecordDecoder
from schemas.registry.source import FileRegistry
from sinks.database import tables
from tests.servers.ports import free_port
from tests.support.commands import Commands
from tests.support.patience import Patience
from tests.unit.web.shell import Shell, case

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker(["alert.commands"]) as broker:
        yield broker.bootstrap


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: str) -> Shell:
    shell = Shell(tmp_path)
    for name, value in {
        "DATABASE__URL": shell.url,
        "KAFKA__BOOTSTRAP": broker,
        "ACCESS__USER": "ann",
        "APP__TIMEZONE": "Europe/Berlin",
    }.items():
        monkeypatch.setenv(f"FORESHOCK_{name}", value)
    return shell


def sent(broker: str, command_id: str) -> dict[str, Any]:
    """The command of this id in the topic."""
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition("alert.commands", number, 0) for number in range(PARTITIONS)])
    decoder, limit = RecordDecoder("alert_command", FileRegistry()), Patience(30)
    try:
        while not limit.lost():
            message = consumer.poll(0.2)
            value = None if message is None or message.error() else message.value()
            if value is not None and (record := decoder.decode(value))["command_id"] == command_id:
                return record
    finally:
        consumer.close()
    raise AssertionError(command_id)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ack", "case-acme", "--note", "mine"], {"action": "acknowledge", "note": "mine"}),
        (["ack", "case-acme", "--undo"], {"action": "unacknowledge"}),
        (["snooze", "case-acme", "--until", "2030-07-01"], {"action": "snooze", "until": 1_909_087_200_000}),
        (["wake", "case-acme"], {"action": "wake"}),
        (["assign", "case-acme", "bob"], {"action": "assign", "assignee": "bob"}),
        (["assign", "case-acme"], {"action": "assign", "assignee": None}),
        (["comment", "case-acme", "hm"], {"action": "comment", "note": "hm"}),
        (["resolve", "case-acme", "saved"], {"action": "resolve", "outcome": "saved"}),
        (["reopen", "case-acme"], {"action": "reopen"}),
        (
            ["expected", "case-acme", "--since", "2030-01-01", "--until", "2030-01-03", "--kind", "silence"],
            {"action": "expected", "since": 1_893_452_400_000, "until": 1_893_625_200_000, "kind": "silence"},
        ),
        (["feedback", "case-acme", "useful"], {"action": "feedback", "verdict": "useful", "alert_id": "alert-acme"}),
        (["step", "case-acme"], {"action": "step_done", "play_id": "call_sponsor"}),
    ],
)
def test_a_command_is_in_the_topic_under_the_name_of_who_gave_it(
    foreshock: Commands, shell: Shell, broker: str, words: list[str], said: dict[str, Any]
) -> None:
    ran = foreshock("case", *words, "--json")
    assert ran.exit_code == 0, ran.err
    record = sent(broker, json.loads(ran.out)["command_id"])
    assert record.items() >= {**said, "author": "ann", "account_id": "acme", "case_id": "case-acme"}.items()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["ack", "nowhere"], "there is no such case"),
        (["snooze", "case-acme"], "either --until or --days"),
        (["snooze", "case-acme", "--until", "2020-01-01"], "until: must be later"),
        (["resolve", "case-acme", "won"], "won"),
        (["expected", "case-acme", "--since", "2030-01-02", "--until", "2030-01-01"], "until: must be later"),
    ],
)
def test_what_cannot_be_is_said(foreshock: Commands, shell: Shell, words: list[str], why: str) -> None:
    ran = foreshock("case", *words)
    assert ran.exit_code in {1, 2}
    assert why in ran.err


@pytest.mark.parametrize(
    ("result", "reason", "code"), [("applied", None, 0), ("unchanged", None, 0), ("refused", "the case is closed", 1)]
)
def test_the_result_is_waited_for(
    foreshock: Commands,
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    result: str,
    reason: str | None,
    code: int,
) -> None:
    # The worker's answer, there before it is asked for.
    command_id = "4a7c2c2e-7a43-4d8a-9d53-0f7f0b4b7f10"
    monkeypatch.setattr("schemas.commands.uuid4", lambda: command_id)
    values = {"account_id": "acme", "action": "acknowledge", "author": "ann", "issued_at_ms": 1, "case_id": "case-acme"}
    answer = {"command_id": command_id, "result": result, "result_reason": reason}
    shell.run(insert(tables.alert_commands).values(values | answer))
    ran = foreshock("case", "ack", "case-acme", "--wait")
    assert ran.exit_code == code
    assert ran.out.strip() == (f"{result}: {reason}" if reason else result)


def test_a_result_that_does_not_come_is_not_waited_for_without_end(
    foreshock: Commands, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.cli.case._WAIT_S", 0.3)
    ran = foreshock("case", "ack", "case-acme", "--wait")
    assert ran.exit_code == 1
    assert "not answered" in ran.out


def test_cases_are_listed_by_priority_and_shown(foreshock: Commands, shell: Shell) -> None:
    evil = case("case-evil", "acme", priority=99, summary="\x1b[31mred", account_name="A\u202eB")
    shell.run(insert(tables.cases).values(evil))
    listed = json.loads(foreshock("case", "list", "--json").out)["cases"]
    assert [each["case_id"] for each in listed] == ["case-evil", "case-acme", "case-brix", "case-cyan", "case-lost"]
    own = json.loads(foreshock("case", "list", "--owner", "bob@example.org", "--json").out)["cases"]
    assert [each["case_id"] for each in own] == ["case-brix"]
    text = foreshock("case", "list").out
    assert "usage of acme fell" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    shown = foreshock("case", "show", "case-brix")
    assert "usage of brix fell" in shown.out
    assert foreshock("case", "show", "nowhere").exit_code == 2


@pytest.mark.slow
def test_a_command_that_no_broker_takes_is_not_sent(
    foreshock: Commands, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORESHOCK_KAFKA__BOOTSTRAP", f"127.0.0.1:{free_port()}")
    ran = foreshock("case", "ack", "case-acme")
    assert ran.exit_code == 69
    assert "did not take it" in ran.err
