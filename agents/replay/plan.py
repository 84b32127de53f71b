"""The replay plan: recorded events as topics would carry them, step by step, with a tick after each.

`emit` and `demo` follow it; a backtest puts the same ticks at the same places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from agents.replay.arrivals import Arrivals, Clock, Share, arrivals_of, tick_times, windows
from pipeline.terms.arrays import I64
from schemas.codec.batch import Batch, RecordKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agents.eventfiles.files import EventFiles


@dataclass(frozen=True, slots=True)
class Rows:
    """The records of one step in one partition of one topic: the rows, then one tick."""

    share: Share
    first: int
    """Rows of the share in earlier steps."""
    count: int
    begin: int
    """Offset of the first record when the plan is all that the partition holds; ticks take offsets too."""

    def __len__(self) -> int:
        return self.count

    @property
    def topic(self) -> str:
        """Name of the topic."""
        return self.share.topic

    @property
    def partition(self) -> int:
        """Number of the partition."""
        return self.share.number

    @property
    def table(self) -> pa.Table:
        """All columns, maps included, in order of arrival."""
        return self.share.table.slice(self.first, self.count)

    @property
    def events(self) -> pa.RecordBatch:
        """The same rows with the columns that the decoder makes."""
        return self.share.events.slice(self.first, self.count)

    @property
    def occurred_at_ms(self) -> I64:
        """Event times of the rows; 0 for profiles without `updated_at`."""
        return self.share.occurred_at_ms[self.first : self.first + self.count]


@dataclass(frozen=True, slots=True)
class Step:
    """What arrives up to a tick, and the tick that every partition then gets."""

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
    _topics: tuple[Arrivals, ...]
    _partitions: int

    def __len__(self) -> int:
        return len(self.tick_times_ms)

    def __iter__(self) -> Iterator[Step]:
        ticks_ms = np.array(self.tick_times_ms, dtype=np.int64)
        for window in windows(self._topics, self._partitions, ticks_ms):
            bounds = [(share, share.bounds.tolist()) for share in window.shares]
            for index in range(window.first, window.last):
                at = index - window.first
                yield Step(
                    index,
                    self.tick_times_ms[index],
                    tuple(
                        Rows(share, its[at], its[at + 1] - its[at], share.begin + its[at] + index)
                        for share, its in bounds
                    ),
                )


def plan(files: EventFiles, partitions: int, clock: Clock, *, final_tick_ms: int | None = None) -> ReplayPlan:
    """Plan the replay of event files.

    Within a topic, records keep the order of the file. Topics are merged by the running maximum of the event
    time in each file: a row belongs to the step of that maximum, so late records stay where they arrived.
    Profiles without `updated_at` come before all others, in the first step. The last tick carries the greatest event
    time of all, since nobody knows what would have come after it.

    Args:
        files: what to replay.
        partitions: of every topic.
        clock: when ticks stand between the events.
        final_tick_ms: a later time for the last tick, such as the end of a day that is known to be complete.
    """
    arrivals = tuple(arrivals_of(files))
    ticks_ms = tick_times(arrivals, clock, final_tick_ms)
    return ReplayPlan(tuple(ticks_ms.tolist()), files.rows, arrivals, partitions)


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
