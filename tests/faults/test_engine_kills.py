"""The real engine, killed at random while events arrive: alerts and ledger as those of an uninterrupted run."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from agents.transport.runs import Run
from agents.worker.core import EngineCore
from agents.worker.ports import Feed
from agents.worker.wire import AvroWire
from pipeline.config import EngineConfig
from pipeline.terms.records import Outcome
from schemas.encoder import Encoder, TickEncoder
from schemas.registry import FileRegistry
from schemas.topics import INPUT_TOPICS, TICK_KEY, TOPICS
from tests.servers.kafka import KafkaServer
from tests.support.topics import records
from tests.support.workers import PARTITIONS, WorkerProcess

pytestmark = [pytest.mark.servers, pytest.mark.faults, pytest.mark.timeout(400)]

GROUP = "engine"
DAYS = 60
ACCOUNTS = 48
FIRST_DAY = 20_000
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
SESSION_MS = 3_000


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    with KafkaServer(partitions_default=PARTITIONS) as kafka:
        keep = {"retention.ms": "-1"}
        kafka.create_topics([name for name in TOPICS if name != "ledger"], partitions=PARTITIONS, config=keep)
        kafka.create_topics(["ledger"], partitions=1, config=keep)
        compact = {"cleanup.policy": "compact"}
        kafka.create_topics([f"{GROUP}-state-changelog"], partitions=PARTITIONS, config=compact)
        yield kafka


class Story:
    """Sixty days of accounts: some fall silent, some fail to pay."""

    def __init__(self, bootstrap: str) -> None:
        registry = FileRegistry()
        settings: dict[str, Any] = {"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"}
        self._producer = Producer(settings)
        self._usage = Encoder(TOPICS["usage.events"], registry)
        self._billing = Encoder(TOPICS["billing.events"], registry)
        self._tick = TickEncoder(registry)
        self._chance = random.Random(11)

    def tell(self, day: int) -> None:
        """Send the events of a day, then the ticks that end it."""
        start = (FIRST_DAY + day) * DAY_MS
        for number in range(ACCOUNTS):
            account = f"a{number}"
            if not (number % 6 == 0 and day > 40):
                self._use(account, day, start)
            if number % 5 == 1 and self._chance.random() < 0.2:
                kind = self._chance.choice(["payment_failed", "payment_failed", "invoice_paid", "invoice_overdue"])
                at = start + self._chance.randrange(DAY_MS)
                event = {
                    "event_id": f"{account}-{day}-{kind}",
                    "account_id": account,
                    "type": kind,
                    "occurred_at": at,
                    "invoice_id": f"i{day // 7}",
                    "currency": "EUR",
                    "amount_minor": 1_000,
                }
                self._send("billing.events", account, self._billing.encode(event), at)
        for topic in INPUT_TOPICS:
            for partition in range(PARTITIONS):
                at = start + DAY_MS + HOUR_MS
                value = self._tick.encode(at, "/test")
                self._producer.produce(topic, value, TICK_KEY, partition, timestamp=at)
        assert self._producer.flush(30) == 0

    def _use(self, account: str, day: int, start: int) -> None:
        for number in range(self._chance.randint(3, 8)):
            at = start + self._chance.randrange(DAY_MS)
            event = {
                "event_id": f"{account}-{day}-{number}",
                "account_id": account,
                "user_id": f"u{self._chance.randrange(4)}",
                "feature": f"f{self._chance.randrange(3)}",
                "occurred_at": at,
            }
            value = self._usage.encode(event)
            self._send("usage.events", account, value, at)
            if self._chance.random() < 0.05:
                self._send("usage.events", account, value, at)

    def _send(self, topic: str, account: str, value: bytes, at_ms: int) -> None:
        self._producer.produce(topic, value, account.encode(), timestamp=at_ms + HOUR_MS)


def uninterrupted(bootstrap: str, wire: AvroWire, core: EngineCore) -> tuple[set[tuple[bytes, bytes]], dict[int, Any]]:
    """Keys and values of alerts.state, and ledgers, of a run in this process."""
    feeds: dict[int, Feed] = {number: core.loader(number, PARTITIONS).finish() for number in range(PARTITIONS)}
    outcome = Outcome()
    for topic in INPUT_TOPICS:
        by_partition = defaultdict(list)
        for number, offset, key, value in records(bootstrap, topic):
            by_partition[number].append((offset, key, value))
        for number, found in by_partition.items():
            offsets, keys, values = (list(column) for column in zip(*found, strict=True))
            seen = [10**13] * len(found)
            run = Run(topic, number, 0, offsets[-1] + 1, 0, offsets, seen, keys, values)
            outcome.extend(feeds[number].push(wire.decode(run)))
    told = 0
    while told < len(outcome.fleet_days):
        new, told = outcome.fleet_days[told:], len(outcome.fleet_days)
        for feed in feeds.values():
            outcome.extend(feed.learn(new))
    messages = {
        (message.key or b"", message.value or b"")
        for message in wire.outcome(outcome)
        if message.topic == "alerts.state"
    }
    return messages, {number: core.ledger_entry(feed) for number, feed in feeds.items()}


def ledgers(bootstrap: str, core: EngineCore) -> dict[int, Any]:
    """Ledgers of the state that the changelog holds."""
    loaders = {number: core.loader(number) for number in range(PARTITIONS)}
    for number, offset, key, value in records(bootstrap, f"{GROUP}-state-changelog"):
        loaders[number].add(key, value or None, offset)
    return {number: core.ledger_entry(loader.finish()) for number, loader in loaders.items()}


def test_kills_change_neither_alerts_nor_ledger(server: KafkaServer) -> None:
    bootstrap = server.bootstrap
    story, chance = Story(bootstrap), random.Random(5)
    fields: dict[str, Any] = {
        "mode": "engine",
        "session_timeout_ms": SESSION_MS,
        "checkpoint_interval_s": 0.3,
        "ticks": {"clock": "events", "idle_timeout_s": 3_600},
    }
    days = iter(range(DAYS))
    for _ in range(6):
        with WorkerProcess(bootstrap, GROUP, **fields) as worker:
            worker.wait_until_running()
            for _ in range(DAYS // 6):
                story.tell(next(days))
                time.sleep(chance.uniform(0, 0.3))
            worker.kill9()
    wire, core = AvroWire(FileRegistry(), f"/foreshock/{GROUP}"), EngineCore(EngineConfig())
    expected, expected_ledgers = uninterrupted(bootstrap, wire, core)
    with WorkerProcess(bootstrap, GROUP, **fields) as worker:
        deadline = time.monotonic() + 120
        while (found := ledgers(bootstrap, core)) != expected_ledgers:
            assert worker.alive(), worker.output()[-3000:]
            assert time.monotonic() < deadline, (found, expected_ledgers)
            time.sleep(1)
        assert worker.terminate() == 0
    published = {(key, value) for _, _, key, value in records(bootstrap, "alerts.state")}
    assert len(expected) > 50
    assert published == expected
