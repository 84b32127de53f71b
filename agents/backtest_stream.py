"""Event files as batches for the core: time cut into business days, a tick behind each in every topic.

A day's tick stands where the first record of any partition moves the watermark past that day's end. So every
partition's watermark is in the same day as that of the whole file, and the result does not depend on the
number of partitions. A batch holds as many days as fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agents.eventfiles import EventFiles
from pipeline.config import EngineConfig
from pipeline.days import Days
from schemas.batch import Batch, RecordKind
from schemas.definitions import current
from schemas.partitioning import partitions_of
from schemas.projection import columns_of, readable
from schemas.topics import TOPICS

I64 = npt.NDArray[np.int64]

_WINDOW_ROWS = 100_000
_WINDOW_DAYS = 28


@dataclass(frozen=True, slots=True)
class Window:
    """Some days of every topic and partition."""

    batches: tuple[tuple[int, Batch], ...]
    """(partition, batch) in the order in which they are to be pushed."""
    events: int
    until_ms: int
    """Time of the last tick."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """One partition of one topic in order of arrival, and where each day begins in it."""

    topic: str
    partition: int
    events: pa.RecordBatch
    occurred_at_ms: I64
    bounds: I64

    def rows(self, first: int, last: int) -> int:
        return int(self.bounds[last] - self.bounds[first])

    def batch(self, first: int, last: int, ticks_ms: I64, seen_at_ms: int) -> Batch:
        """The rows of days `first` to `last`, excluding `last`, with the tick of each."""
        low, high = int(self.bounds[first]), int(self.bounds[last])
        count = high - low + last - first
        ticks = self.bounds[first + 1 : last + 1] - low + np.arange(last - first)
        kind = np.full(count, RecordKind.EVENT, dtype=np.uint8)
        kind[ticks] = RecordKind.TICK
        occurred_at_ms = np.empty(count, dtype=np.int64)
        occurred_at_ms[kind == RecordKind.EVENT] = self.occurred_at_ms[low:high]
        occurred_at_ms[ticks] = ticks_ms[first:last]
        begin = low + first
        return Batch(
            topic=self.topic,
            begin=begin,
            end=begin + count,
            offsets=np.arange(begin, begin + count, dtype=np.int64),
            seen_at_ms=np.full(count, seen_at_ms, dtype=np.int64),
            kind=kind,
            occurred_at_ms=occurred_at_ms,
            events=self.events.slice(low, high - low),
        )


class Stream:
    """The whole input, window by window."""

    def __init__(self, files: EventFiles, config: EngineConfig, partitions: int, seen_at_ms: int) -> None:
        """`seen_at_ms` is the arrival time of all records, against which a future date is judged."""
        topics = [_Topic.of(topic, table) for topic, table in files.by_topic().items()]
        self._ticks_ms = _ticks([topic.running_ms[topic.undated :] for topic in topics], config)
        self._lanes = [lane for topic in topics for lane in topic.lanes(partitions, self._ticks_ms)]
        self._seen_at_ms = seen_at_ms

    @property
    def days(self) -> int:
        """Ticks of each topic in each partition."""
        return len(self._ticks_ms)

    def windows(self) -> Iterator[Window]:
        """All windows in order."""
        first = 0
        ends = np.sum([lane.bounds for lane in self._lanes], axis=0)
        while first < self.days:
            full = int(np.searchsorted(ends, ends[first] + _WINDOW_ROWS))
            last = min(self.days, first + _WINDOW_DAYS, max(first + 1, full))
            yield Window(
                tuple(
                    (lane.partition, lane.batch(first, last, self._ticks_ms, self._seen_at_ms)) for lane in self._lanes
                ),
                int(ends[last] - ends[first]),
                int(self._ticks_ms[last - 1]),
            )
            first = last


@dataclass(frozen=True, slots=True)
class _Topic:
    """One topic's rows in order of arrival; those without a time come first."""

    name: str
    table: pa.Table
    occurred_at_ms: I64
    running_ms: I64
    """Greatest event time so far."""
    undated: int

    @classmethod
    def of(cls, name: str, table: pa.Table) -> _Topic:
        column = "updated_at" if "updated_at" in table.column_names else "occurred_at"
        times = table.column(column)
        if times.null_count:
            dated = times.is_valid().to_numpy()
            table = table.take(pa.array(np.argsort(dated, kind="stable")))
            times = table.column(column)
        at_ms = times.fill_null(0).to_numpy().astype(np.int64, copy=False)
        return cls(name, table, at_ms, np.maximum.accumulate(at_ms), times.null_count)

    def lanes(self, partitions: int, ticks_ms: I64) -> Iterator[_Lane]:
        """The rows of each partition."""
        # A row that reaches a tick's time stands behind the tick.
        day_of = np.searchsorted(ticks_ms[:-1], self.running_ms, side="right")
        columns = columns_of(readable(current(TOPICS[self.name].schema)))
        for number, rows in enumerate(self._rows_of(partitions)):
            table = self.table.take(pa.array(rows)) if partitions > 1 else self.table
            arrays = [_one_array(table.column(field.name)) for field in columns]
            yield _Lane(
                self.name,
                number,
                pa.RecordBatch.from_arrays(arrays, schema=columns),
                self.occurred_at_ms[rows],
                np.searchsorted(day_of[rows], np.arange(len(ticks_ms) + 1)),
            )

    def _rows_of(self, partitions: int) -> list[Any]:
        if partitions == 1:
            return [slice(None)]
        encoded = _one_array(self.table.column("account_id")).dictionary_encode()
        of_account = partitions_of([key.encode() for key in encoded.dictionary.to_pylist()], partitions)
        partition = of_account[encoded.indices.to_numpy()]
        return [np.flatnonzero(partition == number) for number in range(partitions)]


def _ticks(running_ms: list[I64], config: EngineConfig) -> I64:
    """When the watermark of the file ends each day, then the greatest time of all."""
    dated = [times for times in running_ms if len(times)]
    if not dated:
        return np.zeros(1, dtype=np.int64)
    days, slack_ms = Days(config.timezone), config.out_of_orderness_ms
    latest_ms = max(int(times[-1]) for times in dated)
    first = days.of_one(min(int(times[0]) for times in dated) - slack_ms)
    last = days.of_one(latest_ms - slack_ms)
    ends = [days.end_ms(day) + slack_ms for day in range(first, last)]
    return np.array([*ends, latest_ms], dtype=np.int64)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.combine_chunks()
    return chunks if isinstance(chunks, pa.Array) else pa.concat_arrays(chunks.chunks)
