"""A topic's recorded rows in the order in which they arrived, and when time passes between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.terms.arrays import I64
from pipeline.terms.days import Days
from schemas.codec.projection import columns_of, readable
from schemas.definitions import current
from schemas.partitioning import partitions_of
from schemas.topics import TOPICS
from schemas.validation import EVENT_TIME

if TYPE_CHECKING:
    from agents.eventfiles.files import EventFiles
    from pipeline.config import EngineConfig

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
    """What one partition gets of a topic's rows."""

    number: int
    table: pa.Table
    """All columns, maps included."""
    events: pa.RecordBatch
    """The columns that the decoder makes."""
    occurred_at_ms: I64
    """0 for profiles without `updated_at`."""
    bounds: I64
    """Where the rows of each step begin; a step is the time up to a tick."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """One topic's rows; those without a time come first, all others keep the order of the file."""

    topic: str
    table: pa.Table
    occurred_at_ms: I64
    running_ms: I64
    """Greatest event time so far."""
    undated: int

    @classmethod
    def of(cls, topic: str, table: pa.Table) -> Arrivals:
        """The rows of a topic's event file."""
        column = EVENT_TIME[TOPICS[topic].schema]
        times = table.column(column)
        if times.null_count:
            table = table.take(pa.array(np.argsort(times.is_valid().to_numpy(), kind="stable")))
            times = table.column(column)
        at_ms = times.fill_null(0).to_numpy().astype(np.int64, copy=False)
        return cls(topic, table, at_ms, np.maximum.accumulate(at_ms), times.null_count)

    @property
    def dated_ms(self) -> I64:
        """Greatest event time so far, of the rows that have a time."""
        return self.running_ms[self.undated :]

    def shares(self, partitions: int, ticks_ms: I64) -> Iterator[Share]:
        """What each partition gets. A row that reaches a tick's time stands behind the tick, but for the last."""
        step_of = np.searchsorted(ticks_ms[:-1], self.running_ms, side="right")
        columns = columns_of(readable(current(TOPICS[self.topic].schema)))
        for number, rows in enumerate(self._rows_of(partitions)):
            table = self.table.take(pa.array(rows)) if partitions > 1 else self.table
            arrays = [_one_array(table.column(field.name)) for field in columns]
            yield Share(
                number,
                table,
                pa.RecordBatch.from_arrays(arrays, schema=columns),
                self.occurred_at_ms[rows],
                np.searchsorted(step_of[rows], np.arange(len(ticks_ms) + 1)),
            )

    def _rows_of(self, partitions: int) -> list[Any]:
        if partitions == 1:
            return [slice(None)]
        encoded = _one_array(self.table.column("account_id")).dictionary_encode()
        of_account = partitions_of([key.encode() for key in encoded.dictionary.to_pylist()], partitions)
        partition = of_account[encoded.indices.to_numpy()]
        return [np.flatnonzero(partition == number) for number in range(partitions)]


def arrivals_of(files: EventFiles) -> list[Arrivals]:
    """The rows of every topic, in the order of the topics."""
    return [Arrivals.of(topic, table) for topic, table in files.by_topic().items()]


def tick_times(arrivals: Sequence[Arrivals], clock: Clock, final_tick_ms: int | None = None) -> I64:
    """Times of the ticks that each partition of each topic gets: those of the clock, and a last one.

    Where nothing happened from one tick to the next, only the last before something happens again is there. The last
    of all carries the greatest event time of all, since nobody knows what the rest of that day would
    have held, or `final_tick_ms` if that is later. Profiles without a time alone make one tick at 0.
    """
    dated = [each.dated_ms for each in arrivals if len(each.dated_ms)]
    latest_ms = max((int(times[-1]) for times in dated), default=0)
    between = np.array(clock(min(int(times[0]) for times in dated), latest_ms) if dated else [], dtype=np.int64)
    busy = np.zeros(len(between) + 2, dtype=np.bool_)
    for times in dated:
        busy[np.searchsorted(between, times, side="right")] = True
    between = between[busy[:-2] | busy[1:-1]]
    return np.array([*between.tolist(), max(latest_ms, final_tick_ms or 0)], dtype=np.int64)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        # What follows would copy it.
        return column.chunk(0)
    chunks = column.combine_chunks()
    return chunks if isinstance(chunks, pa.Array) else pa.concat_arrays(chunks.chunks)
