"""Cutting fetched Kafka batches into runs: what a run covers and what it holds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP

from agents.transport.runs import Run, cut

TOPIC = TP("usage.events", 2)
AT_MS = 1_700_000_000_000


class Position:
    """aiokafka's state of one assigned partition, as far as a fetch result looks at it."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.paused = False

    def consumed_to(self, position: int) -> None:
        self.position = position


class Assignment:
    """An assignment of one partition."""

    active = True

    def __init__(self, state: Position) -> None:
        self.state = state

    def state_value(self, _tp: Any) -> Position:
        return self.state


def kafka_batch(base: int, deltas: list[int], *, control: bool = False, at_ms: Sequence[int] = ()) -> bytes:
    """A record batch as a broker stores it; deltas left out are holes."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=control,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for delta in deltas:
        time_ms = at_ms[delta] if at_ms else AT_MS + delta
        builder.append(delta, time_ms, f"k{base + delta}".encode(), b"v" * (base + delta), [("h", b"1")])
    data = bytearray(builder.build())
    data[0:8] = base.to_bytes(8, "big")
    return bytes(data)


def fetched(position: int, *batches: bytes) -> tuple[FetchResult, Position]:
    state = Position(position)
    records = PartitionRecords(TOPIC, MemoryRecords(b"".join(batches)), [], position, None, None, True, 0)
    return FetchResult(TOPIC, assignment=Assignment(state), partition_records=records, backoff=0.1), state


def all_runs(result: FetchResult, records: int = 100, size: int = 1 << 20) -> list[Run]:
    runs = []
    while result.has_more():
        runs += cut(TOPIC, result, 5, records, size)
    return runs


def test_runs_follow_each_other_without_a_gap_and_hold_every_record() -> None:
    result, state = fetched(10, kafka_batch(10, [0, 1, 2]), kafka_batch(13, [0, 1]))
    (run,) = all_runs(result)
    assert (run.topic, run.partition, run.begin, run.end, run.epoch) == ("usage.events", 2, 10, 15, 5)
    assert run.offsets == [10, 11, 12, 13, 14]
    assert run.keys == [b"k10", b"k11", b"k12", b"k13", b"k14"]
    assert run.values[0] == b"v" * 10
    assert run.timestamps_ms == [AT_MS, AT_MS + 1, AT_MS + 2, AT_MS, AT_MS + 1]
    assert run.headers == [[("h", b"1")]] * 5
    assert state.position == 15


@pytest.mark.parametrize("unusable", [-1, 0, AT_MS // 1_000, 4_070_908_800_000])
def test_without_a_usable_timestamp_the_time_of_reading_counts(unusable: int) -> None:
    before_ms = time.time_ns() // 1_000_000
    result, _ = fetched(0, kafka_batch(0, [0, 1], at_ms=[AT_MS, unusable]))
    (run,) = all_runs(result)
    assert before_ms <= run.timestamps_ms[1] <= time.time_ns() // 1_000_000
    assert run.timestamps_ms[0] == AT_MS


def test_a_batch_with_more_records_than_a_run_may_hold_becomes_several_runs() -> None:
    result, _ = fetched(0, kafka_batch(0, list(range(25))))
    runs = all_runs(result, records=10)
    assert [(run.begin, run.end, len(run)) for run in runs] == [(0, 10, 10), (10, 20, 10), (20, 25, 5)]


def test_a_run_ends_after_the_batch_that_reaches_the_size_limit() -> None:
    result, _ = fetched(100, *(kafka_batch(100 + 2 * number, [0, 1]) for number in range(4)))
    runs = cut(TOPIC, result, 0, 1_000, 250)
    assert [(run.begin, run.end) for run in runs] == [(100, 104)]


def test_holes_that_compaction_left_are_covered() -> None:
    result, state = fetched(20, kafka_batch(20, [0, 3]), kafka_batch(30, [1]))
    (run,) = all_runs(result)
    assert (run.begin, run.end, run.offsets) == (20, 32, [20, 23, 31])
    assert state.position == 32


def test_records_before_the_position_are_left_out() -> None:
    result, _ = fetched(12, kafka_batch(10, [0, 1, 2, 3]))
    (run,) = all_runs(result)
    assert (run.begin, run.offsets) == (12, [12, 13])


def test_a_damaged_batch_is_never_delivered() -> None:
    good = kafka_batch(10, [0, 1, 2])
    damaged = good[:-1] + bytes([good[-1] ^ 1])
    result, _ = fetched(10, damaged)
    with pytest.raises(CorruptRecordException):
        cut(TOPIC, result, 0, 100, 1 << 20)


def test_a_result_fetched_for_another_position_is_thrown_away() -> None:
    result, state = fetched(10, kafka_batch(10, [0, 1]))
    state.position = 50
    assert cut(TOPIC, result, 0, 100, 1 << 20) == []
    assert not result.has_more()
