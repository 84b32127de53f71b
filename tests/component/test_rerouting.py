"""A producer that does not place keys by murmur2: each record is applied once, in the partition of its account."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Message, Producer

from agents.kafka.embedded import PARTITIONS, EmbeddedBroker
from agents.transport.runs import Headers, Run
from agents.worker.rerouting import MARK, sent_on, strays
from agents.worker.serde import Serde
from pipeline.changelog.read import Loader
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.terms.records import Fate, RecordKind
from schemas.codec.encode import TickEncoder
from schemas.partitioning import partition_of
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS, TICK_KEY, TOPICS
from tests.support.hostile import good_value
from tests.support.patience import patience, wait_until
from tests.support.topics import ends, everything, reader, records
from tests.support.workers import WorkerProcess

USAGE, PROFILES = "usage.events", "account.profiles"
DAY_MS = 86_400_000
DAY = 19_783
START_MS = DAY * DAY_MS + 4_000_000
TICK = TickEncoder(FileRegistry()).encode(START_MS, "/foreshock/test")
ACCOUNTS, EVENTS = 40, 2_000

_groups = itertools.count()


def account(number: int) -> str:
    return f"acct-{number:03}"


def usage(number: int, **changes: object) -> bytes:
    event = {"event_id": f"e{number}", "account_id": account(number % ACCOUNTS), "occurred_at": START_MS + number}
    return good_value(USAGE, **{**event, "quantity": 1.0, **changes})


def run_of(partition: int, *given: tuple[bytes | None, bytes | None, Headers], topic: str = USAGE) -> Run:
    keys, values, headers = [each[0] for each in given], [each[1] for each in given], [each[2] for each in given]
    count = len(given)
    return Run(
        topic, partition, 70, 70 + count, 0, list(range(70, 70 + count)), [START_MS] * count, keys, values, headers
    )


def elsewhere(partition: int) -> bytes:
    """A key of another partition."""
    return next(
        key for number in range(ACCOUNTS) if partition_of(key := account(number).encode(), PARTITIONS) != partition
    )


def test_what_would_be_applied_elsewhere_is_sent_on_and_nothing_else() -> None:
    serde, foreign = Serde(FileRegistry(), "/foreshock/test"), elsewhere(2)
    here = next(key for n in range(ACCOUNTS) if partition_of(key := account(n).encode(), PARTITIONS) == 2)
    there, ours = (usage(0, account_id=key.decode()) for key in (foreign, here))
    run = run_of(
        2,
        (here, ours, ()),
        (foreign, there, [("trace", b"17"), ("trace", None)]),
        (foreign, there, [(MARK, b"1@5")]),
        (foreign, b"no Avro", ()),
        (foreign, None, ()),
        (None, ours, ()),
        (TICK_KEY, TICK, ()),
        (foreign, ours, ()),
        (foreign, there, [("long", b"x" * 70_000)]),
    )
    batch = serde.decode(run)
    places = strays(run, batch, PARTITIONS)
    assert places.tolist() == [1, 8]
    batch.reroute(places)
    assert batch.kind[places].tolist() == [RecordKind.REROUTED] * 2
    assert batch.events.column("account_id").to_pylist() == [here.decode(), foreign.decode()]
    first, second = sent_on(run, places)
    assert (first.topic, first.key, first.value, first.timestamp_ms) == (USAGE, foreign, there, START_MS)
    assert first.headers == [("trace", b"17"), ("trace", None), (MARK, "2@71")]
    assert second.headers == [(MARK, "2@78")]
    assert strays(run, serde.decode(run), 0).tolist() == []


def test_a_tombstone_is_sent_on() -> None:
    run = run_of(1, (elsewhere(1), None, ()), topic=PROFILES)
    assert strays(run, Serde(FileRegistry(), "/foreshock/test").decode(run), PARTITIONS).tolist() == [0]


def test_rerouted_records_have_a_fate_and_move_no_watermark() -> None:
    feed = Feed(EngineConfig(), 2)
    run = run_of(2, *[(elsewhere(2), usage(0, account_id=elsewhere(2).decode()), ())] * 3)
    batch = Serde(FileRegistry(), "/foreshock/test").decode(run)
    batch.reroute(np.arange(3))
    feed.start_at({USAGE: 70})
    feed.push(batch)
    assert feed.fates[USAGE][Fate.REROUTED] == 3 == sum(feed.fates[USAGE].values())
    assert feed.positions[USAGE] == 73
    assert feed.watermarks()[USAGE] < 0
    assert len(feed.state.accounts) == 0


def produce(bootstrap: str) -> None:
    """Ticks in each partition, then usage and profiles as librdkafka places them by default."""
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "consistent_random", "log_level": 0})
    for topic in INPUT_TOPICS:
        for partition in range(PARTITIONS):
            producer.produce(topic, TICK, TICK_KEY, partition)
    assert producer.flush(patience(30)) == 0
    for number in range(EVENTS):
        key, trace = account(number % ACCOUNTS), str(number)
        producer.produce(USAGE, usage(number), key.encode(), headers={"trace": trace}, timestamp=START_MS + 2 * number)
    for number in range(ACCOUNTS):
        value = good_value(PROFILES, account_id=account(number), updated_at=START_MS)
        producer.produce(PROFILES, value, account(number).encode())
    assert producer.flush(patience(30)) == 0


def feeds_of(bootstrap: str, group: str) -> list[Feed]:
    loaders = [Loader(EngineConfig(), number, PARTITIONS) for number in range(PARTITIONS)]
    for number, offset, key, value in records(bootstrap, f"{group}-state-changelog"):
        loaders[number].add(key, value or None, offset)
    return [loader.finish() for loader in loaders]


def complete(bootstrap: str, group: str) -> list[Feed]:
    """The state, once it covers all that the topics hold."""
    feeds = feeds_of(bootstrap, group)
    with reader(bootstrap) as consumer:
        reached = all(feeds[number].positions[topic] == end for (topic, number), end in ends(consumer).items())
    return feeds if reached else []


def actions(feeds: list[Feed]) -> list[Counter[str]]:
    """Usage events by account, in each partition."""
    return [
        Counter(
            {
                feed.state.accounts.ids[row]: int(feed.state.accounts.panes["actions"][DAY % 96, row]) // 1_000
                for row in range(1, feed.state.accounts.size)
            }
        )
        for feed in feeds
    ]


def trace_of(message: Message) -> tuple[int, int, bytes]:
    headers = dict(message.headers() or [])
    return message.timestamp()[1], int(headers["trace"] or b""), message.value() or b""


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("failpoint", [None, "after_step:12", "after_state_send_unacked:3"])
def test_a_foreign_partitioner_and_a_crash_leave_each_event_counted_once_where_it_belongs(
    failpoint: str | None,
) -> None:
    group = f"rerouting-{next(_groups)}"
    with EmbeddedBroker([*TOPICS, f"{group}-state-changelog"]) as broker:
        produce(broker.bootstrap)
        settings: dict[str, Any] = {
            "embedded": True,
            "mode": "engine",
            "session_timeout_ms": 3_000,
            "max_batch_records": 100,
        }
        if failpoint is not None:
            with WorkerProcess(broker.bootstrap, group, failpoint=failpoint, **settings) as victim:
                assert victim.wait() == -9
        with WorkerProcess(broker.bootstrap, group, **settings) as worker:
            worker.wait_until_running()
            feeds = wait_until(lambda: complete(broker.bootstrap, group), worker.output, 90.0, meanwhile=worker.alive)
            assert worker.terminate() == 0
        sent = [message for message in everything(broker.bootstrap, [USAGE]) if message.key() != TICK_KEY]
    counted = actions(feeds)
    assert sum(counted, Counter()) == {account(number): EVENTS // ACCOUNTS for number in range(ACCOUNTS)}
    for number, here in enumerate(counted):
        assert all(partition_of(each.encode(), PARTITIONS) == number for each in here)
    originals, copies = {}, defaultdict(list)
    for message in sent:
        mark = dict(message.headers() or []).get(MARK)
        if mark is None:
            originals[f"{message.partition()}@{message.offset()}"] = message
        else:
            copies[mark if isinstance(mark, str) else mark.decode()].append(message)
    strays_sent = {
        place
        for place, message in originals.items()
        if partition_of(message.key() or b"", PARTITIONS) != message.partition()
    }
    assert copies.keys() == strays_sent
    assert len(strays_sent) > EVENTS / 2
    for place, found in copies.items():
        assert {trace_of(each) for each in found} == {trace_of(originals[place])}
    fates = sum((Counter(feed.fates[USAGE]) for feed in feeds), Counter())
    assert fates[Fate.REROUTED] == len(strays_sent)
    assert fates[Fate.DUPLICATE] == sum(len(found) - 1 for found in copies.values())
    for feed in feeds:
        for topic in INPUT_TOPICS:
            assert feed.topics[topic].ledger.balanced()
    if failpoint is None:
        assert fates[Fate.DUPLICATE] == 0
