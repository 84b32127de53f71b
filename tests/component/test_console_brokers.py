"""What the console's page of the pipeline learns from brokers, and what it says when there are none."""

from __future__ import annotations

from confluent_kafka import Consumer, Producer, TopicPartition

from agents.console.brokers import Lags
from agents.kafka.embedded import EmbeddedBroker
from agents.settings import Settings, load
from schemas.codec.encode import Encoder
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS, TOPICS

AT_MS = 1_760_000_000_000


def settings(bootstrap: str) -> Settings:
    return load(None, {"FORESHOCK_KAFKA__BOOTSTRAP": bootstrap})


def entry(partition: int, at_ms: int, applied: int, holes: int = 0) -> bytes:
    none = dict.fromkeys(("duplicate", "late_applied", "too_late", "dead_lettered", "rerouted"), 0)
    topics = [
        {"topic": topic, "next_offset": applied, "holes": holes, "applied": applied, **none} for topic in INPUT_TOPICS
    ]
    record = {"partition": partition, "at_ms": at_ms, "topics": topics, "open_day": 1}
    return Encoder(TOPICS["ledger"], FileRegistry()).encode(record)


def test_ends_lags_and_the_ledger_are_those_of_the_topics() -> None:
    with EmbeddedBroker([*INPUT_TOPICS, "ledger", "dead.letters"]) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        for number in range(10):
            producer.produce("usage.events", b"x", b"a", partition=number % 2)
        producer.produce("dead.letters", b"x", b"a", partition=0)
        for value in (entry(0, AT_MS, 3), entry(1, AT_MS + 5, 7), entry(0, AT_MS + 9, 4)):
            producer.produce("ledger", value, b"0", partition=0)
        assert producer.flush(20) == 0
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "foreshock"})
        consumer.commit(offsets=[TopicPartition("usage.events", 0, 4)], asynchronous=False)
        consumer.close()
        lags = Lags(settings(broker.bootstrap))
        while (found := lags.look()).problem is not None:
            pass
    assert sum(each.end for each in found.of("usage.events")) == 10
    assert found.lag("usage.events") == 6
    assert sum(each.end for each in found.of("dead.letters")) == 1
    assert found.watermark_ms == AT_MS + 5
    [usage] = [each for each in found.ledger if each.topic == "usage.events"]
    assert (usage.counts["applied"], usage.offsets, usage.adds_up) == (11, 11, True)


def test_a_ledger_that_does_not_add_up_says_so() -> None:
    with EmbeddedBroker([*INPUT_TOPICS, "ledger", "dead.letters"]) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        producer.produce("ledger", entry(0, AT_MS, 3, holes=1), b"0", partition=0)
        assert producer.flush(20) == 0
        lags = Lags(settings(broker.bootstrap))
        while (found := lags.look()).problem is not None:
            pass
    assert {each.adds_up for each in found.ledger} == {False}
