"""Runs: consecutive records of one topic-partition, cut from what aiokafka has fetched.

A run says which offsets it covers, so an offset inside without a record is a hole that Kafka left, and a run
that does not begin where the last one ended reveals a delivery gap.
"""
# ruff: noqa: SLF001 - aiokafka has no public way to the records of a fetch; see agents.transport.transport

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from aiokafka.errors import CorruptRecordException
from faust.types import TP

_TAKE = 1_000
"""Records taken at once from a fetch that holds aborted transactions."""
_LEAST_MS = 946_684_800_000
"""2000-01-01; a lesser timestamp is none, or one in seconds."""
_MOST_AHEAD_MS = 3_600_000
"""By which a producer's clock may be ahead of ours; brokers take no more either, unless they are told to."""

Headers = Sequence[tuple[str, bytes | None]]
"""Of one record."""


@dataclass(slots=True)
class Run:
    """Records of one topic-partition in offset order; covers the offsets `begin` to `end`, half-open."""

    topic: str
    partition: int
    begin: int
    end: int
    epoch: int
    offsets: list[int]
    timestamps_ms: list[int]
    """When each reached the broker, by its record; the time of reading where that says nothing usable."""
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers]

    def __len__(self) -> int:
        return len(self.offsets)

    def drop_records(self) -> None:
        """Let go of the records: what is applied is held until its checkpoint, but only its bounds are needed."""
        self.offsets, self.timestamps_ms, self.keys, self.values, self.headers = [], [], [], [], []


def cut(tp: TP, result: Any, epoch: int, max_records: int, max_bytes: int) -> list[Run]:
    """The next records of a fetch result as runs of at most `max_records`.

    Args:
        tp: whose records.
        result: aiokafka's FetchResult; it and the consumer's position move on.
        epoch: number of seeks so far.
        max_records: bound of each run.
        max_bytes: of values, after which no further Kafka batch is read.
    """
    if not result.check_assignment(tp):
        return []
    fetched = result._partition_records
    begin = fetched.next_fetch_offset
    records: list[Any] = []
    size = 0
    while result.has_more() and len(records) < max_records and size < max_bytes:
        new = _aborted_skipped(result, fetched) if fetched._aborted_transactions else _next(result, fetched)
        size += sum([len(record.value) for record in new if record.value is not None])
        records += new
    runs = []
    for first, last in pairwise([*range(0, max(1, len(records)), max_records), len(records)]):
        part = records[first:last]
        end = fetched.next_fetch_offset if last == len(records) else part[-1].offset + 1
        if end > begin:
            runs.append(_run(tp, begin, end, epoch, part))
        begin = end
    return runs


def _run(tp: TP, begin: int, end: int, epoch: int, records: list[Any]) -> Run:
    return Run(
        tp.topic,
        tp.partition,
        begin,
        end,
        epoch,
        [record.offset for record in records],
        _usable([record.timestamp for record in records]),
        [record.key for record in records],
        [record.value for record in records],
        [record.headers for record in records],
    )


def _usable(timestamps_ms: list[int]) -> list[int]:
    """A record without a timestamp, or with one in seconds or of the future, arrived now."""
    now_ms = time.time_ns() // 1_000_000
    most_ms = now_ms + _MOST_AHEAD_MS
    if min(timestamps_ms, default=_LEAST_MS) >= _LEAST_MS and max(timestamps_ms, default=0) <= most_ms:
        return timestamps_ms
    return [at_ms if _LEAST_MS <= at_ms <= most_ms else now_ms for at_ms in timestamps_ms]


def _next(result: Any, fetched: Any) -> list[Any]:
    """The records of the next Kafka batch of a fetch result, as aiokafka's own iterator finds them.

    That iterator and its ConsumerRecords cost twice what reading the records does.
    """
    if not fetched._records.has_next():
        result._partition_records = None
        return []
    batch = fetched._records.next_batch()
    if fetched._check_crcs and not batch.validate_crc():
        message = f"invalid checksum in {fetched._tp} at offset {fetched.next_fetch_offset}"
        raise CorruptRecordException(message)
    records = [] if batch.is_control_batch else list(batch)
    if records and records[0].offset < fetched.next_fetch_offset:
        records = [record for record in records if record.offset >= fetched.next_fetch_offset]
    # A batch keeps its last offset when compaction removes its last record.
    fetched.next_fetch_offset = max(batch.next_offset, fetched.next_fetch_offset)
    result._update_position()
    return records


def _aborted_skipped(result: Any, fetched: Any) -> list[Any]:
    """Some records by aiokafka's iterator, which knows how to leave out aborted transactions."""
    fetched._consumer_record = _keep
    records: list[Any] = result.getall(_TAKE)
    return records


def _keep(_tp: Any, record: Any) -> Any:
    """Stands in for aiokafka's conversion to ConsumerRecord, which costs more than reading the record."""
    return record
