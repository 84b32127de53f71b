"""Parts of the worker that need no broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from faust.types import TP

from agents.process import failpoints
from agents.process.exits import DeadLetterLimitError, InvariantError, RefusedError
from agents.settings.worker import WorkerConfig
from agents.transport.runs import Run
from agents.worker.ingest import Ingest
from agents.worker.lease import Lease
from agents.worker.limits import RELEASE, DeadLetterGuard
from agents.worker.partition import Partition
from agents.worker.publisher import Publisher
from agents.worker.recovery import owned_partitions, start_of
from pipeline.changelog.read import Loader
from pipeline.changelog.write import checkpoint
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.intake.topic import Topic
from pipeline.terms.fleet_day import FleetDay
from pipeline.terms.records import BadRecord, Batch, Outcome, RecordKind
from sinks.metrics import Metrics
from tests.support.patience import python
from tests.support.standin import CountingFeed, PlainSerde

TOPIC = "usage.events"


class Event:
    """Remembers its acknowledgement."""

    def __init__(self) -> None:
        self.acked = False

    def ack(self) -> bool:
        self.acked = True
        return True


def run(begin: int, end: int, *offsets: int) -> Run:
    count = len(offsets)
    return Run(TOPIC, 0, begin, end, 0, list(offsets), [0] * count, [b"k"] * count, [b"1"] * count, [()] * count)


def partition(start: int = 100) -> Partition:
    return Partition(CountingFeed(0), 0, {TOPIC: start})


def test_a_run_that_begins_at_the_expected_offset_is_taken_whole() -> None:
    here = partition()
    given = run(100, 105, 100, 101, 104)
    assert here.admit(given, Event()) is given
    assert here.expected[TOPIC] == 105


def test_a_run_that_begins_beyond_the_expected_offset_is_a_delivery_gap() -> None:
    with pytest.raises(InvariantError, match="expected offset 100"):
        partition().admit(run(101, 102, 101), Event())


def test_the_part_of_a_run_that_was_delivered_before_is_left_out() -> None:
    here = partition()
    here.admit(run(100, 103, 100, 101, 102), Event())
    overlapping, known = run(101, 106, 101, 102, 104, 105), run(100, 106, 100)
    new = here.admit(overlapping, Event())
    assert new is not None
    assert (new.begin, new.end, new.offsets) == (103, 106, [104, 105])
    assert len(new.keys) == len(new.values) == len(new.timestamps_ms) == 2
    assert here.admit(known, Event()) is None
    # What waits for its acknowledgement holds no records.
    assert len(overlapping) == len(known) == 0


def test_events_are_acknowledged_up_to_the_durable_position_and_no_further() -> None:
    here = partition()
    events = [Event() for _ in range(3)]
    for number, event in enumerate(events):
        here.admit(run(100 + 10 * number, 110 + 10 * number, 100 + 10 * number), event)
    here.acknowledge({TOPIC: 119})
    assert [event.acked for event in events] == [True, False, False]
    here.acknowledge({TOPIC: 130})
    assert all(event.acked for event in events)


@pytest.mark.parametrize(
    ("position", "log", "committed", "start"),
    [
        (None, range(100), None, 0),
        (0, range(40, 100), None, 40),
        (0, range(100), 77, 0),
        (50, range(40, 100), 77, 50),
        (100, range(40, 100), 77, 100),
        (40, range(40, 100), None, 40),
    ],
)
def test_a_partition_goes_on_where_its_state_says(
    position: int | None, log: range, committed: int | None, start: int
) -> None:
    assert start_of(TP(TOPIC, 3), position, log, committed) == start


@pytest.mark.parametrize(
    ("position", "log", "committed", "reason"),
    [
        (39, range(40, 100), 39, "retention"),
        (101, range(40, 100), 101, "recreated"),
        (None, range(40, 100), 77, "no state"),
    ],
)
def test_a_position_that_does_not_fit_the_topic_is_refused(
    position: int | None, log: range, committed: int, reason: str
) -> None:
    with pytest.raises(RefusedError, match=reason):
        start_of(TP(TOPIC, 3), position, log, committed)


def test_partitions_of_one_number_must_be_assigned_together() -> None:
    whole = {TP(topic, number) for topic in ("a", "b", "log") for number in (1, 4)}
    assert owned_partitions(whole, ["a", "b"], "log") == {1, 4}
    assert owned_partitions(set(), ["a", "b"], "log") == set()
    with pytest.raises(InvariantError, match=r"missing here: \{'b': \{4\}\}"):
        owned_partitions(whole - {TP("b", 4)}, ["a", "b"], "log")


class FollowingFeed(CountingFeed):
    """Remembers which days it was told of."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.days: list[int] = []

    def learn(self, records: Any) -> Outcome:
        self.days += [record.day for record in records]
        return Outcome()


def ingest() -> Ingest:
    config = WorkerConfig("127.0.0.1:1", "parts")
    publisher = cast("Publisher", None)
    return Ingest(config, [TOPIC], PlainSerde(), publisher, Metrics(), Lease(1_000))


def tell(here: Ingest, days: Sequence[int], *, first: bool = False) -> bool:
    """Whether somebody must be given the log from its beginning."""
    return asyncio.run(here.take_fleet_updates([FleetDay(0, day, day) for day in days], first))


def test_a_partition_that_comes_hears_no_fleet_record_before_the_first() -> None:
    here, old, new = ingest(), FollowingFeed(0), FollowingFeed(1)
    assert not tell(here, [1], first=True)
    here.install([Partition(old, 0, {TOPIC: 0})], 2)
    assert tell(here, [2])
    assert not tell(here, [1, 2], first=True)
    assert not tell(here, [3])
    here.install([Partition(feed, 0, {TOPIC: 0}) for feed in (old, new)], 2)
    assert tell(here, [4])
    assert not tell(here, [1, 2], first=True)
    assert not tell(here, [3, 4])
    assert (old.days, new.days) == ([1, 2, 3, 1, 2, 3, 4], [1, 2, 3, 4])


def test_a_partition_that_comes_while_others_are_told_waits_for_the_first() -> None:
    here, old, new = ingest(), FollowingFeed(0), FollowingFeed(1)
    here.install([Partition(feed, 0, {TOPIC: 0}) for feed in (old, FollowingFeed(1))], 2)

    class Slow(list[FleetDay]):
        """Another generation's partitions come while these records are told."""

        def __iter__(self) -> Any:
            here.install([Partition(feed, 0, {TOPIC: 0}) for feed in (old, new)], 2)
            return super().__iter__()

    assert asyncio.run(here.take_fleet_updates(Slow([FleetDay(0, 1, 1)]), True))
    assert (old.days, new.days) == ([1], [])
    assert not tell(here, [1], first=True)
    assert new.days == [1]


def run_of(kinds: Sequence[RecordKind]) -> Batch:
    """A batch of records of these kinds."""
    count = len(kinds)
    bad = [BadRecord(place, "malformed", "no Avro") for place, kind in enumerate(kinds) if kind == RecordKind.BAD]
    return Batch(
        topic=TOPIC,
        begin=0,
        end=count,
        offsets=np.arange(count, dtype=np.int64),
        seen_at_ms=np.zeros(count, dtype=np.int64),
        kind=np.array(kinds, dtype=np.uint8),
        occurred_at_ms=np.zeros(count, dtype=np.int64),
        events=pa.RecordBatch.from_pylist([], schema=pa.schema([])),
        bad=bad,
    )


BAD = [RecordKind.BAD] * 5


def guard_of(limit: int, read_by: str) -> DeadLetterGuard:
    """One that was told by a partition's changelog which release read the topic last."""
    feed, loader = Feed(EngineConfig(), 0), Loader(EngineConfig(), 0)
    feed.topics[TOPIC].read_by = read_by
    for key, value in checkpoint(feed, 0):
        loader.add(key, value, 0)
    guard = DeadLetterGuard(limit)
    guard.recall(loader.finish().topics.values())
    return guard


def test_a_release_that_reads_nothing_of_a_topic_as_the_one_before_did_stops_at_the_limit() -> None:
    guard, topics = guard_of(11, "0.0.1"), [Topic(TOPIC, 0), Topic(TOPIC, 0)]
    guard.check(0, topics[0], run_of([*BAD, RecordKind.TICK, RecordKind.TOMBSTONE]))
    guard.check(1, topics[1], run_of(BAD))
    said = (
        r"has not read one record of usage\.events, as 0\.0\.1 did: 15 became dead letters, "
        r"the last at partition 0, offset 4 \(malformed: no Avro\); go back to 0\.0\.1"
    )
    with pytest.raises(DeadLetterLimitError, match=said):
        guard.check(0, topics[0], run_of(BAD))
    assert [topic.read_by for topic in topics] == ["", ""]


@pytest.mark.parametrize("kind", [RecordKind.EVENT, RecordKind.REROUTED])
def test_a_release_that_has_read_one_record_of_a_topic_never_stops_for_it(kind: RecordKind) -> None:
    guard, topic = guard_of(11, "0.0.1"), Topic(TOPIC, 0)
    guard.check(0, topic, run_of([*BAD, kind]))
    for _ in range(10):
        guard.check(1, Topic(TOPIC, 0), run_of(BAD))
    assert topic.read_by == RELEASE


@pytest.mark.parametrize("read_by", [RELEASE, ""])
def test_what_no_earlier_release_could_read_stops_nobody(read_by: str) -> None:
    guard = guard_of(5, read_by)
    for _ in range(10):
        guard.check(0, Topic(TOPIC, 0), run_of(BAD))


@pytest.mark.parametrize("wrong", ["after_fetch", "nowhere:1", "after_fetch:0", "after_fetch:x", "after_fetch:1:burn"])
def test_a_failpoint_that_does_not_exist_is_an_error(wrong: str) -> None:
    with pytest.raises(failpoints.FailpointError, match="expected name:nth"):
        failpoints.arm(wrong)


def test_a_failpoint_kills_at_the_nth_hit_and_not_before() -> None:
    script = (
        "from agents.process import failpoints; failpoints.arm('after_step:3');"
        "hit = failpoints.hit;"
        "[(print(n, flush=True), hit('after_step'), hit('after_fetch')) for n in range(9)]"
    )
    ended = python(script)
    assert ended.returncode == -9
    assert ended.stdout.split() == ["0", "1", "2"]
