"""Ten thousand hostile records between good events on a real Kafka: what the worker makes of them."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import KafkaError, Message, Producer

from pipeline.intake.feed import Feed
from schemas.codec.encode import RecordDecoder
from schemas.registry.source import FileRegistry
from schemas.topics import DAY_MS, INPUT_TOPICS
from tests.servers.kafka import KafkaServer
from tests.support.deployment import PARTITIONS, Deployment, Pair, Place
from tests.support.hostile import Hostile, corpus, good_value
from tests.support.mixture import Mixture, Sent, accounts_of, actions_of, mix, opened
from tests.support.patience import ended, patience
from tests.support.topics import ends, reader, records
from tests.support.wild import wild

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

HOSTILE = 10_000
SOAK_S = float(os.environ.get("FORESHOCK_TEST_SOAK_S", "3600"))
"""How long the longest of these tests goes on."""


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


def hold_out(kafka: KafkaServer, folder: Path, seconds: float) -> None:
    """Hostile input for so long, of all kinds and into any partition; good events between it are counted exactly."""
    # Days end at midnight, whatever the time of day at which this runs.
    deployment = Deployment(kafka, folder, time='clock = "events"\nout_of_orderness_s = 0')
    random = Random(17)
    settings = {"partitioner": "murmur2_random", "message.max.bytes": 2_000_000, "compression.type": "lz4"}
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True, **settings})
    sent: Counter[str] = Counter()
    first_day, ends_at = int(time.time() * 1_000) // DAY_MS, time.monotonic() + seconds
    with deployment.worker() as worker:
        while time.monotonic() < ends_at:
            for _ in range(40):
                hostile = wild(random, int(time.time() * 1_000))
                if hostile.key is not None or hostile.topic != "account.profiles":
                    produce_anywhere(producer, random, hostile, hostile_headers(random), hostile_time(random))
            for _ in range(10):
                number = sent.total()
                account, at_ms = f"good-{number % 20}", int(time.time() * 1_000)
                event = good_value("usage.events", event_id=f"g{number}", account_id=account, occurred_at=at_ms)
                produce_anywhere(producer, random, Sent("usage.events", account.encode(), event), [], at_ms)
                sent[account] += 1
            producer.poll(0.1)
            assert worker.poll() is None, deployment.said()
        assert producer.flush(patience(60)) == 0

        def caught_up() -> bool:
            # By positions: what brokers delete, because its timestamp is of long ago, may never meet a fate.
            if deployment.lag() > 0:
                return False
            with reader(kafka.bootstrap) as consumer:
                last, feeds = ends(consumer), deployment.feeds()
            return all(feeds[number].topics[topic].ledger.position >= end for (topic, number), end in last.items())

        deployment.end(worker, when=caught_up)
    said = deployment.said()
    assert "Traceback" not in said
    assert "stopping with exit code" not in said
    feeds = deployment.feeds()
    assert all(topic.ledger.balanced() for feed in feeds for topic in feed.topics.values())
    assert all(feed.fates["usage.events"]["rerouted"] > 0 for feed in feeds)
    assert good_actions(feeds, first_day) == sent


def produce_anywhere(
    producer: Producer, random: Random, each: Sent, headers: list[tuple[str, str | bytes | None]], at_ms: int
) -> None:
    """Where its key belongs, or in one of three cases wherever chance has it."""
    partition = random.randrange(PARTITIONS) if random.random() < 1 / 3 else -1
    producer.produce(each.topic, each.value, each.key, partition, timestamp=at_ms, headers=headers)


def hostile_headers(random: Random) -> list[tuple[str, str | bytes | None]]:
    """None as a rule, or some that mean something to us."""
    if random.random() < 0.8:
        return []
    name = random.choice(["__value_schema_id", "foreshock-rerouted-from", "content-type", "é" * 100, ""])
    return [(name, random.choice([None, b"", random.randbytes(5), b"\x01" + random.randbytes(16), b"x" * 70_000]))]


def hostile_time(random: Random) -> int:
    """A timestamp that brokers take: of now as a rule, in seconds, of long ago, of soon."""
    now_ms = int(time.time() * 1_000)
    return random.choice([now_ms, now_ms, now_ms, 1, now_ms // 1_000, 1_230_768_000_000, now_ms + 3_000_000])


def good_actions(feeds: list[Feed], first_day: int) -> Counter[str]:
    """Events of the good accounts as the core holds them, from a day on; each is worth 2.5 actions."""
    found: Counter[str] = Counter()
    for feed in feeds:
        accounts = feed.state.accounts
        pane = accounts.panes["actions"]
        for row in range(1, accounts.size):
            if accounts.ids[row].startswith("good-"):
                counted = sum(int(pane[day % len(pane), row]) for day in range(first_day - 1, first_day + 3))
                found[accounts.ids[row]] += counted // 2_500
    return found


def test_half_a_minute_of_hostile_input_stops_nobody(kafka: KafkaServer, tmp_path: Path) -> None:
    hold_out(kafka, tmp_path, 30.0)


@pytest.mark.soak
@pytest.mark.timeout(4 * SOAK_S)
def test_an_hour_of_hostile_input_stops_nobody(kafka: KafkaServer, tmp_path: Path) -> None:
    hold_out(kafka, tmp_path, SOAK_S)
