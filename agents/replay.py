"""The replay plan: recorded events as topics would carry them, chunk by chunk, with a tick after each.

`emit`, `demo` and `backtest` follow it: a backtest sees the records that a replay through Kafka would send.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.batch import Batch, RecordKind
from schemas.definitions import current
from schemas.projection import columns_of, readable
from schemas.topics import DAY_MS, TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agents.eventfiles import EventFiles

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Lane:
    """One partition of one topic: its rows in order of arrival, and where each step begins in them."""

    topic: str
    partition: int
    table: pa.Table
    events: pa.RecordBatch
    nothing: pa.RecordBatch
    """No rows of `events`: what most steps of a quiet topic have."""
    occurred_at_ms: I64
    bounds: list[int]

    def rows_of(self, step: int) -> Rows:
        low, high = self.bounds[step], self.bounds[step + 1]
        return Rows(self, low, high - low, low + step)


@dataclass(frozen=True, slots=True)
class Rows:
    """The records of one step in one partition of one topic: the rows, then one tick."""

    lane: _Lane
    first: int
    """Rows of the partition in earlier steps."""
    count: int
    begin: int
    """Offset of the first record when the plan is all that the partition holds; ticks take offsets too."""

    def __len__(self) -> int:
        return self.count

    @property
    def topic(self) -> str:
        """Name of the topic."""
        return self.lane.topic

    @property
    def partition(self) -> int:
        """Number of the partition."""
        return self.lane.partition

    @property
    def table(self) -> pa.Table:
        """All columns, maps included, in order of arrival."""
        return self.lane.table.slice(self.first, self.count)

    @property
    def events(self) -> pa.RecordBatch:
        """The same rows with the columns that the decoder makes."""
        return self.lane.events.slice(self.first, self.count) if self.count else self.lane.nothing

    @property
    def occurred_at_ms(self) -> I64:
        """Event times of the rows; 0 for profiles without `updated_at`."""
        return self.lane.occurred_at_ms[self.first : self.first + self.count]


@dataclass(frozen=True, slots=True)
class Step:
    """What arrives within one chunk of event time, and the tick that every partition then gets."""

    index: int
    tick_at_ms: int
    rows: tuple[Rows, ...]
    """One for each topic and partition, empty ones included: each gets the tick."""

    @property
    def events(self) -> int:
        """Number of events of the step, over all topics and partitions."""
        return sum(map(len, self.rows))


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """Steps in order; can be iterated more than once, and does the slicing only then."""

    tick_times_ms: tuple[int, ...]
    """Of each step; rising, but for a last one that may equal the one before."""
    events: int
    _lanes: tuple[_Lane, ...]

    def __len__(self) -> int:
        return len(self.tick_times_ms)

    def __iter__(self) -> Iterator[Step]:
        for index, tick_at_ms in enumerate(self.tick_times_ms):
            yield Step(index, tick_at_ms, tuple(lane.rows_of(index) for lane in self._lanes))


def plan(
    files: EventFiles,
    partitions: int,
    partition_of: Callable[[bytes, int], int],
    *,
    chunk_ms: int = DAY_MS,
    final_tick_ms: int | None = None,
) -> ReplayPlan:
    """Plan the replay of event files.

    Within a topic, records keep the order of the file. Topics are merged by the running maximum of the event
    time in each file: a row belongs to the chunk of that maximum, so late records stay where they arrived.
    Profiles without `updated_at` come before all others, in the first chunk. Every chunk from the first event
    to the last has a step, also when nothing happened; its tick carries the end of the chunk. The last one
    carries `final_tick_ms`, or the greatest event time of all, since nobody knows what the rest of that chunk
    would have held.

    Args:
        files: what to replay.
        partitions: of every topic.
        partition_of: key and number of partitions → partition.
        chunk_ms: length of a chunk; a divisor or multiple of a day keeps its bounds on midnights UTC.
        final_tick_ms: a later time for the last tick, such as the end of a day that is known to be complete.
    """
    sources = [_Source.of(topic, table) for topic, table in files.by_topic().items()]
    latest = [int(source.running_ms[-1]) for source in sources if source.dated]
    if not latest:
        # Profiles without a time alone: there is no time to tick.
        latest = [0]
    earliest = [int(source.running_ms[-source.dated]) for source in sources if source.dated]
    first, last = min(earliest, default=0) // chunk_ms, max(latest) // chunk_ms
    ticks = [(chunk + 1) * chunk_ms for chunk in range(first, last)]
    ticks.append(max(latest) if final_tick_ms is None else max(final_tick_ms, *latest))
    lanes = [
        lane
        for source in sources
        for lane in source.lanes(partitions, partition_of, first=first, steps=len(ticks), chunk_ms=chunk_ms)
    ]
    return ReplayPlan(tuple(ticks), files.rows, tuple(lanes))


def to_batches(step: Step, seen_at_ms: int) -> list[Batch]:
    """The step as the decoder would have made it: one batch for each topic and partition, with its tick."""
    return [_batch(rows, step.tick_at_ms, seen_at_ms) for rows in step.rows]


def _batch(rows: Rows, tick_at_ms: int, seen_at_ms: int) -> Batch:
    count = len(rows) + 1
    kind = np.full(count, RecordKind.EVENT, dtype=np.uint8)
    kind[-1] = RecordKind.TICK
    occurred_at_ms = np.empty(count, dtype=np.int64)
    occurred_at_ms[:-1] = rows.occurred_at_ms
    occurred_at_ms[-1] = tick_at_ms
    return Batch(
        topic=rows.topic,
        begin=rows.begin,
        end=rows.begin + count,
        offsets=np.arange(rows.begin, rows.begin + count, dtype=np.int64),
        seen_at_ms=np.full(count, seen_at_ms, dtype=np.int64),
        kind=kind,
        occurred_at_ms=occurred_at_ms,
        events=rows.events,
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """One topic's rows in order of arrival; those without a time come first."""

    topic: str
    table: pa.Table
    occurred_at_ms: I64
    running_ms: I64
    """Greatest event time so far."""
    dated: int
    """How many rows have a time."""

    @classmethod
    def of(cls, topic: str, table: pa.Table) -> _Source:
        name = "updated_at" if "updated_at" in table.column_names else "occurred_at"
        times = table.column(name)
        if times.null_count:
            undated = times.is_null().to_numpy()
            table = table.take(pa.array(np.argsort(~undated, kind="stable")))
            times = table.column(name)
        occurred_at_ms = times.fill_null(0).to_numpy().astype(np.int64, copy=False)
        dated = len(occurred_at_ms) - times.null_count
        return cls(topic, table, occurred_at_ms, np.maximum.accumulate(occurred_at_ms), dated)

    def lanes(
        self,
        partitions: int,
        partition_of: Callable[[bytes, int], int],
        *,
        first: int,
        steps: int,
        chunk_ms: int,
    ) -> Iterator[_Lane]:
        """The rows of each partition, and where each step begins in them."""
        step_of = np.clip(self.running_ms // chunk_ms - first, 0, None)
        partition = _partitions(self.table.column("account_id"), partitions, partition_of)
        columns = columns_of(readable(current(TOPICS[self.topic].schema)))
        for number in range(partitions):
            rows = np.flatnonzero(partition == number) if partitions > 1 else slice(None)
            table = self.table if partitions == 1 else self.table.take(pa.array(rows))
            events = _one_batch(table.select(columns.names), columns)
            yield _Lane(
                topic=self.topic,
                partition=number,
                table=table,
                events=events,
                nothing=events.slice(0, 0),
                occurred_at_ms=self.occurred_at_ms[rows],
                bounds=np.searchsorted(step_of[rows], np.arange(steps + 1)).tolist(),
            )


def _partitions(account_ids: pa.ChunkedArray, partitions: int, partition_of: Callable[[bytes, int], int]) -> I64:
    """Partition of each row, computed once for each account."""
    encoded = account_ids.combine_chunks().dictionary_encode()
    of_account = [partition_of(key.encode(), partitions) for key in encoded.dictionary.to_pylist()]
    of_row: I64 = np.array(of_account, dtype=np.int64)[encoded.indices.to_numpy()]
    return of_row


def _one_batch(table: pa.Table, columns: pa.Schema) -> pa.RecordBatch:
    arrays = [table.column(field.name).combine_chunks() for field in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)
