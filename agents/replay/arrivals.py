"""A topic's recorded rows in the order in which they arrived, and when time passes between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.terms.arrays import I64, Bools
from pipeline.terms.days import Days
from schemas.codec.projection import columns_of, readable
from schemas.definitions import current
from schemas.partitioning import partitions_of
from schemas.topics import TOPICS
from schemas.validation import EVENT_TIME

if TYPE_CHECKING:
    from agents.eventfiles.files import EventFiles
    from pipeline.config import EngineConfig

_WINDOW_ROWS = 100_000
_WINDOW_STEPS = 28

Clock = Callable[[int, int], list[int]]
"""First and greatest event time → rising times of ticks in between, ms."""


def every(chunk_ms: int) -> Clock:
    """A tick at each multiple of a length of time."""
    return lambda first_ms, last_ms: [
        (chunk + 1) * chunk_ms for chunk in range(first_ms // chunk_ms, last_ms // chunk_ms)
    ]


def day_ends(config: EngineConfig) -> Clock:
    """A tick whenever the watermark of all that was recorded ends a business day."""
    days, slack_ms = Days(config.timezone), config.out_of_orderness_ms

    def ticks_ms(first_ms: int, last_ms: int) -> list[int]:
        first, last = days.of_one(first_ms - slack_ms), days.of_one(last_ms - slack_ms)
        return [days.end_ms(day) + slack_ms for day in range(first, last)]

    return ticks_ms


@dataclass(frozen=True, slots=True)
class Share:
    """What one partition gets of a topic's rows in some steps; a step is the time up to a tick."""

    topic: str
    number: int
    table: pa.Table
    """All columns, maps included."""
    events: pa.RecordBatch
    """The columns that the decoder makes."""
    occurred_at_ms: I64
    """0 for profiles without `updated_at`."""
    bounds: I64
    """Where the rows of each step begin."""
    begin: int
    """Rows of the partition in earlier steps."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """One topic's rows; those without a time come first, all others keep the order of the file."""

    topic: str
    table: pa.Table
    first_ms: int | None
    """Event time of the first row that has one."""
    latest_ms: int | None
    """Greatest event time."""

    @classmethod
    def of(cls, topic: str, table: pa.Table) -> Arrivals:
        """The rows of a topic's event file."""
        times = table.column(EVENT_TIME[TOPICS[topic].schema])
        undated = times.null_count
        if undated and times.slice(0, undated).null_count < undated:
            table = table.take(pa.array(np.argsort(times.is_valid().to_numpy(), kind="stable")))
            times = table.column(EVENT_TIME[TOPICS[topic].schema])
        dated = times.slice(undated)
        return cls(topic, table, dated[0].as_py() if len(dated) else None, pc.max(dated).as_py())

    def bounds(self, ticks_ms: I64) -> I64:
        """Where the rows of each step begin. A row that reaches a tick's time stands behind the tick, but for the last.

        That time is the greatest so far, so that late rows stay where they arrived.
        """
        before, high = np.zeros(len(ticks_ms) + 1, dtype=np.int64), 0
        for piece in self.table.column(EVENT_TIME[TOPICS[self.topic].schema]).chunks:
            if len(piece):
                running_ms = np.maximum.accumulate(np.maximum(_numbers(piece), high))
                before[1:-1] += np.searchsorted(running_ms, ticks_ms[:-1])
                high = int(running_ms[-1])
        before[-1] = self.table.num_rows
        return before

    def shares(self, partitions: int, bounds: I64, begin: I64) -> Iterator[Share]:
        """What each partition gets in the steps with these bounds.

        Args:
            partitions: of the topic.
            bounds: of steps that follow each other.
            begin: rows of each partition in earlier steps; counted on.
        """
        table = self.table.slice(bounds[0], bounds[-1] - bounds[0])
        step_of = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        occurred_at_ms = _numbers(table.column(EVENT_TIME[TOPICS[self.topic].schema]))
        columns = columns_of(readable(current(TOPICS[self.topic].schema)))
        for number, rows in enumerate(_rows_of(table, partitions)):
            part = table.take(pa.array(rows)) if partitions > 1 else table
            arrays = [_one_array(part.column(field.name)) for field in columns]
            yield Share(
                self.topic,
                number,
                part,
                pa.RecordBatch.from_arrays(arrays, schema=columns),
                occurred_at_ms[rows],
                np.searchsorted(step_of[rows], np.arange(len(bounds))),
                int(begin[number]),
            )
            begin[number] += part.num_rows


class Window(NamedTuple):
    """Some steps that follow each other."""

    first: int
    last: int
    """The step behind them."""
    shares: list[Share]
    """Of every topic and partition."""


def windows(topics: Sequence[Arrivals], partitions: int, ticks_ms: I64) -> Iterator[Window]:
    """All steps, as many at a time as memory should hold."""
    bounds = [topic.bounds(ticks_ms) for topic in topics]
    begins = [np.zeros(partitions, dtype=np.int64) for _ in topics]
    ends, first = np.sum(bounds, axis=0), 0
    while first < len(ticks_ms):
        full = int(np.searchsorted(ends, ends[first] + _WINDOW_ROWS))
        last = min(len(ticks_ms), first + _WINDOW_STEPS, max(first + 1, full))
        yield Window(
            first,
            last,
            [
                share
                for topic, of, begin in zip(topics, bounds, begins, strict=True)
                for share in topic.shares(partitions, of[first : last + 1], begin)
            ],
        )
        first = last


def _rows_of(table: pa.Table, partitions: int) -> list[Any]:
    if partitions == 1:
        return [slice(None)]
    encoded = _one_array(table.column("account_id")).dictionary_encode()
    of_account = partitions_of([key.encode() for key in encoded.dictionary.to_pylist()], partitions)
    partition = of_account[encoded.indices.to_numpy()]
    return [np.flatnonzero(partition == number) for number in range(partitions)]


def _numbers(times: pa.Array | pa.ChunkedArray) -> I64:
    numbers: I64 = np.asarray(times.fill_null(0)).astype(np.int64, copy=False)
    return numbers


def arrivals_of(files: EventFiles) -> list[Arrivals]:
    """The rows of every topic, in the order of the topics."""
    return [Arrivals.of(topic, table) for topic, table in files.by_topic().items()]


def tick_times(arrivals: Sequence[Arrivals], clock: Clock, final_tick_ms: int | None = None) -> I64:
    """Times of the ticks that each partition of each topic gets: those of the clock, and a last one.

    Where nothing happened from one tick to the next, only the last before something happens again is there. The last
    of all carries the greatest event time of all, since nobody knows what the rest of that day would
    have held, or `final_tick_ms` if that is later. Profiles without a time alone make one tick at 0.
    """
    firsts = [each.first_ms for each in arrivals if each.first_ms is not None]
    latest_ms = max((each.latest_ms for each in arrivals if each.latest_ms is not None), default=0)
    between = np.array(clock(min(firsts), latest_ms) if firsts else [], dtype=np.int64)
    ticks_ms = np.append(between, max(latest_ms, final_tick_ms or 0))
    busy = np.logical_or.reduce([np.diff(each.bounds(ticks_ms)) > 0 for each in arrivals])
    kept: Bools = np.append(busy[:-1] | busy[1:], True)
    return ticks_ms[kept]


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        # What follows would copy it.
        return column.chunk(0)
    chunks = column.combine_chunks()
    return chunks if isinstance(chunks, pa.Array) else pa.concat_arrays(chunks.chunks)
