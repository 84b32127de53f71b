from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Producer

from agents.kafka.embedded import EmbeddedBroker
from agents.replay import dead_letters
from agents.replay.dead_letters import REPLAY_HEADER, Quarantined, ReplayError, replay
from agents.worker.serde import Serde
from pipeline.terms.records import DeadLetter
from schemas.errors import MalformedError
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS
from tests.servers.ports import free_port
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
        quarantine(embedded, *LETTERS)
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


def test_what_was_put_back_before_is_left_out(foreshock: Commands, broker: EmbeddedBroker) -> None:
    usage = ("dead-letters", "replay", "--topic", "usage.events")
    assert foreshock(*usage, "--reason", "not_framed", "--yes").out == "1 records put back\n"
    told = foreshock(*usage)
    assert "unknown_schema" in told.out
    assert "not_framed" not in told.out
    assert told.err.splitlines()[-1] == "1 were put back before and are left out"
    assert foreshock(*usage, "--yes").out == "1 records put back\n"
    again = foreshock(*usage, "--yes")
    assert (again.out, again.err) == ("0 records put back\n", "2 were put back before and are left out\n")
    assert [value for _, _, value, _ in sorted(replayed(broker))] == [LETTERS[1].value, LETTERS[0].value]


def test_a_record_that_comes_back_is_a_letter_of_its_own(foreshock: Commands, broker: EmbeddedBroker) -> None:
    again = ("dead-letters", "replay", "--reason", "not_framed", "--yes")
    assert foreshock(*again).out == "1 records put back\n"
    quarantine(broker, replace(LETTERS[1], offset=9))
    assert foreshock(*again).out == "1 records put back\n"
    assert len({header for *_, header in replayed(broker)}) == 2


def test_a_letter_from_no_input_topic_is_refused_before_anything_is_sent(
    foreshock: Commands, broker: EmbeddedBroker
) -> None:
    quarantine(broker, replace(LETTERS[0], topic="alerts.health"))
    ran = foreshock("dead-letters", "replay", "--reason", "unknown_schema", "--yes")
    assert ran.exit_code == 1
    assert "is from alerts.health, which is no input topic" in ran.err
    assert replayed(broker) == []


def test_what_was_sent_is_delivered_whatever_ends_the_replay(broker: EmbeddedBroker) -> None:
    def letters() -> Iterator[Quarantined]:
        for offset in range(10):
            yield Quarantined(LETTERS[0], 0, offset)
        raise MalformedError("avro", "the eleventh letter")

    with pytest.raises(MalformedError):
        replay({"bootstrap.servers": broker.bootstrap}, letters())
    assert len(replayed(broker)) == 10


def test_more_letters_than_a_producer_holds_are_all_put_back(broker: EmbeddedBroker) -> None:
    few = {"bootstrap.servers": broker.bootstrap, "queue.buffering.max.messages": 10}
    assert replay(few, (Quarantined(LETTERS[0], 0, offset) for offset in range(500))) == 500
    headers = [header for *_, header in replayed(broker)]
    assert headers == [f"dead.letters/0/{offset}".encode() for offset in range(500)]


def test_a_dead_broker_is_said_and_never_overruns_the_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "_ACK_S", 1.0)
    nobody = {"bootstrap.servers": f"127.0.0.1:{free_port()}", "log_level": 0}
    taken = []

    def letters() -> Iterator[Quarantined]:
        for offset in range(150_000):
            taken.append(offset)
            yield Quarantined(LETTERS[0], 0, offset)

    with pytest.raises(ReplayError, match=r"not everything was put back: usage.events\[2\]: .*again for the rest"):
        replay(nobody, letters())
    assert len(taken) <= 100_001


def quarantine(broker: EmbeddedBroker, *letters: DeadLetter) -> None:
    serde = Serde(FileRegistry(), "/foreshock/test")
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for letter in letters:
        message = serde.dead_letter(letter)
        producer.produce(message.topic, message.value, message.key)
    assert producer.flush(patience(20)) == 0


def replayed(broker: EmbeddedBroker) -> list[tuple[int | None, Any, Any, Any]]:
    """What is in usage.events."""
    return [
        (each.partition(), each.key(), each.value(), dict(each.headers() or [])[REPLAY_HEADER])
        for each in everything(broker.bootstrap, ["usage.events"])
    ]
