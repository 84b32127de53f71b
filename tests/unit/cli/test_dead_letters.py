from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from agents.kafka.embedded import EmbeddedBroker
from agents.replay.dead_letters import REPLAY_HEADER
from agents.worker.wire import AvroWire
from pipeline.terms.records import DeadLetter
from schemas.registry import FileRegistry
from schemas.topics import INPUT_TOPICS
from tests.support.commands import Commands
from tests.support.patience import patience
from tests.support.topics import everything

LETTERS = [
    DeadLetter("usage.events", 2, 7, "unknown_schema", "no schema 9", b"acc-1", b"\x00\x00\x00\x00\x09x", 1_000),
    DeadLetter("usage.events", 1, 8, "not_framed", "not framed", b"acc-\x1b[31m", b"junk", 2_000_000_000),
    DeadLetter("billing.events", 0, 9, "unknown_schema", "no schema 9", None, None, 3_000),
]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedBroker]:
    """A broker with dead letters, which the command line is told of."""
    with EmbeddedBroker([*INPUT_TOPICS, "dead.letters"]) as embedded:
        monkeypatch.setenv("FORESHOCK_KAFKA__BOOTSTRAP", embedded.bootstrap)
        wire = AvroWire(FileRegistry(), "/foreshock/test")
        producer = Producer({"bootstrap.servers": embedded.bootstrap})
        for letter in LETTERS:
            message = wire.dead_letter(letter)
            producer.produce(message.topic, message.value, message.key)
        assert producer.flush(patience(20)) == 0
        yield embedded


def listed(foreshock: Commands, *options: str) -> list[tuple[str, int]]:
    ran = foreshock("dead-letters", "list", "--json", *options)
    assert ran.exit_code == 0, ran.err
    return sorted((letter["topic"], letter["offset"]) for letter in json.loads(ran.out)["dead_letters"])


def test_dead_letters_are_listed_with_where_they_came_from_and_why(foreshock: Commands, broker: EmbeddedBroker) -> None:
    ran = foreshock("dead-letters", "list")
    assert ran.exit_code == 0
    assert "usage.events[2]@7" in ran.out
    assert "no schema 9" in ran.out
    # What a producer sent must not reach the terminal as it is.
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [("billing.events", 9), ("usage.events", 7), ("usage.events", 8)]),
        (["--topic", "usage.events"], [("usage.events", 7), ("usage.events", 8)]),
        (["--reason", "unknown_schema"], [("billing.events", 9), ("usage.events", 7)]),
        (["--since", "1970-01-02"], [("usage.events", 8)]),
        (["--reason", "no-such-reason"], []),
    ],
)
def test_dead_letters_can_be_picked(
    foreshock: Commands, broker: EmbeddedBroker, options: list[str], expected: list[tuple[str, int]]
) -> None:
    assert listed(foreshock, *options) == expected


def test_the_total_counts_more_than_are_shown(foreshock: Commands, broker: EmbeddedBroker) -> None:
    shown = json.loads(foreshock("dead-letters", "list", "--json", "--limit", 1).out)
    assert shown["total"] == 3
    assert len(shown["dead_letters"]) == 1


def test_a_replay_needs_a_choice_and_a_yes(foreshock: Commands, broker: EmbeddedBroker) -> None:
    assert foreshock("dead-letters", "replay").exit_code == 2
    ran = foreshock("dead-letters", "replay", "--topic", "usage.events")
    assert ran.exit_code == 0
    assert "nothing was done" in ran.err
    assert replayed(broker) == []


def test_a_replay_puts_the_original_bytes_back_where_they_stood(foreshock: Commands, broker: EmbeddedBroker) -> None:
    ran = foreshock("dead-letters", "replay", "--reason", "unknown_schema", "--topic", "usage.events", "--yes")
    assert ran.exit_code == 0
    assert ran.out == "1 records put back\n"
    ((partition, key, value, header),) = replayed(broker)
    assert (partition, key, value) == (2, b"acc-1", LETTERS[0].value)
    assert header.startswith(b"dead.letters/")


def replayed(broker: EmbeddedBroker) -> list[tuple[int | None, Any, Any, Any]]:
    """What is in usage.events."""
    return [
        (each.partition(), each.key(), each.value(), dict(each.headers() or [])[REPLAY_HEADER])
        for each in everything(broker.bootstrap, ["usage.events"])
    ]
