"""Ten thousand hostile records between good events on a real Kafka: what the worker makes of them."""

from __future__ import annotations

import json
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, Producer

from pipeline.intake.feed import Feed
from schemas.codec.encode import RecordDecoder
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS
from tests.servers.kafka import KafkaServer
from tests.support.deployment import PARTITIONS, Deployment, Pair, Place
from tests.support.hostile import Hostile, corpus
from tests.support.mixture import Mixture, Sent, accounts_of, actions_of, mix, opened
from tests.support.patience import ended, patience
from tests.support.topics import records

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

HOSTILE = 10_000


def takable(count: int) -> list[Hostile]:
    """Hostile records that Kafka itself takes: it wants a key in a compacted topic."""
    seen_at_ms = int(time.time() * 1_000)
    refused = sum(each.key is None for each in corpus(count, seen_at_ms) if each.topic == "account.profiles")
    more = corpus(count + refused, seen_at_ms)
    return [each for each in more if each.key is not None or each.topic != "account.profiles"]


def produce(bootstrap: str, mixture: Mixture) -> dict[Place, Pair]:
    """Send everything; where the hostile records went."""
    # Idempotent: records that were sent again behind later ones would be too late.
    settings = {"partitioner": "murmur2_random", "message.max.bytes": 2_000_000, "enable.idempotence": True}
    producer = Producer({"bootstrap.servers": bootstrap, **settings})
    hostile: dict[Place, Pair] = {}
    failures: list[tuple[Sent, KafkaError]] = []

    def note(each: Sent, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append((each, error))
        elif each.hostile:
            hostile[each.topic, message.partition() or 0, message.offset() or 0] = (each.key, each.value)

    for each in mixture.records:
        for partition in range(PARTITIONS) if each.is_tick else (-1,):
            producer.produce(each.topic, each.value, each.key, partition, on_delivery=partial(note, each))
            producer.poll(0)
    assert producer.flush(patience(60)) == 0
    assert not failures
    return hostile


def offsets(mixture: Mixture) -> int:
    """Records that the mixture becomes in Kafka."""
    return sum(PARTITIONS if each.is_tick else 1 for each in mixture.records)


def alerts(bootstrap: str) -> Counter[tuple[str, str]]:
    """Alerts that were opened, by kind and account."""
    decoder = RecordDecoder("alert", FileRegistry())
    return opened(decoder.decode(value) for *_, value in records(bootstrap, "alerts.health"))


def test_ten_thousand_hostile_records_are_as_many_dead_letters_and_hurt_no_good_event(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    deployment = Deployment(kafka, tmp_path)
    mixture = mix(takable(HOSTILE))
    with deployment.worker() as worker:
        hostile = produce(kafka.bootstrap, mixture)
        assert len(hostile) == HOSTILE
        deployment.end(worker, when=lambda: deployment.fates() >= offsets(mixture))
    assert deployment.dead_letters() == {place: [pair] for place, pair in hostile.items()}
    feeds = deployment.feeds()
    assert actions_of(feeds) == mixture.actions
    assert accounts_of(feeds) == {account for account, _ in mixture.actions}
    failed = {account for kind, account in alerts(kafka.bootstrap) if kind == "payment_failed"}
    assert failed == mixture.payment_failed
    accounted = sum(sum(feed.fates[topic].values()) for feed in feeds for topic in INPUT_TOPICS)
    assert accounted == offsets(mixture) == sum(sum(feed.positions.values()) for feed in feeds)
    listed_and_put_back(deployment, hostile, feeds)


def listed_and_put_back(deployment: Deployment, hostile: dict[Place, Pair], before: list[Feed]) -> None:
    """The operator's commands on what the worker left."""
    listed = json.loads(deployment.run("dead-letters", "list", "--reason", "null_key", "--json"))
    without_key = {place: pair for place, pair in hostile.items() if pair[0] is None}
    assert listed["total"] == len(without_key) > 0
    found = {(each["topic"], each["partition"], each["offset"]): each["value"] for each in listed["dead_letters"]}
    assert found == {place: None if value is None else value.hex() for place, (_, value) in without_key.items()}

    put_back = deployment.run("dead-letters", "replay", "--reason", "null_key", "--yes")
    assert put_back == f"{len(without_key)} records put back\n"
    with deployment.worker() as worker:
        deployment.end(worker, when=lambda: deployment.fates() >= len(without_key))
    again = deployment.dead_letters()
    assert {place: [pair] for place, pair in hostile.items()}.items() <= again.items()
    twice = [pair for place, pairs in again.items() if place not in hostile for pair in pairs]
    assert Counter(twice) == Counter(without_key.values())
    assert actions_of(deployment.feeds()) == actions_of(before)


def test_a_burst_of_one_producer_stops_nobody_and_a_release_that_reads_nothing_stops_with_code_74(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    deployment = Deployment(kafka, tmp_path, "[dead_letters]\nlimit = 500\n")
    burst = [Hostile("usage.events", b"victim%d" % (number % 50), b"no Avro", "bytes") for number in range(3_000)]
    mixture = mix(burst[:0])
    sent = produce(kafka.bootstrap, Mixture([Sent(each.topic, each.key, each.value, hostile=True) for each in burst]))
    with deployment.worker() as worker:
        produce(kafka.bootstrap, mixture)
        deployment.end(worker, when=lambda: deployment.fates() >= offsets(mixture) + len(burst))
    assert deployment.dead_letters().keys() == sent.keys()
    assert actions_of(deployment.feeds()) == mixture.actions

    deployment.pretend_read_by("0.0.1")
    sent |= produce(kafka.bootstrap, Mixture([Sent(each.topic, each.key, each.value, hostile=True) for each in burst]))
    with deployment.worker() as worker:
        assert ended(worker) == 74
    [line] = [line for line in deployment.said().splitlines() if "stopping with exit code 74" in line]
    assert "has not read one record of usage.events, as 0.0.1 did" in line
    assert "go back to 0.0.1, or mend the producers" in line
    assert "Traceback" not in deployment.said()

    deployment.use("[dead_letters]\nlimit = 1000000\n")
    with deployment.worker() as worker:
        deployment.end(worker, when=lambda: deployment.dead_letters().keys() == sent.keys())
