"""Event files as batches for the core: time cut into business days, a tick behind each in every topic.

A day's tick stands where the first record of any partition moves the watermark past that day's end. So every
partition's watermark is in the same day as that of the whole file, and the result does not depend on the
number of partitions. A batch holds as many days as fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agents.eventfiles.files import EventFiles
from agents.replay.arrivals import Share, arrivals_of, day_ends, tick_times, windows
from pipeline.config import EngineConfig
from pipeline.terms.arrays import I64
from schemas.codec.batch import Batch, RecordKind


@dataclass(frozen=True, slots=True)
class Window:
    """Some days of every topic and partition."""

    batches: tuple[tuple[int, Batch], ...]
    """(partition, batch) in the order in which they are to be pushed."""
    events: int
    until_ms: int
    """Time of the last tick."""


class Stream:
    """The whole input, window by window."""

    def __init__(self, files: EventFiles, config: EngineConfig, partitions: int, seen_at_ms: int) -> None:
        """`seen_at_ms` is the arrival time of all records, against which a future date is judged."""
        self._topics = arrivals_of(files)
        self._partitions = partitions
        self._ticks_ms = tick_times(self._topics, day_ends(config))
        self._seen_at_ms = seen_at_ms

    @property
    def days(self) -> int:
        """Ticks of each topic in each partition."""
        return len(self._ticks_ms)

    def windows(self) -> Iterator[Window]:
        """All windows in order."""
        for first, last, shares in windows(self._topics, self._partitions, self._ticks_ms):
            ticks_ms = self._ticks_ms[first:last]
            yield Window(
                tuple((share.number, self._batch(share, first, ticks_ms)) for share in shares),
                sum(share.events.num_rows for share in shares),
                int(ticks_ms[-1]),
            )

    def _batch(self, share: Share, first: int, ticks_ms: I64) -> Batch:
        """The rows of days from `first` on, with the tick of each."""
        count = share.events.num_rows + len(ticks_ms)
        ticks = share.bounds[1:] + np.arange(len(ticks_ms))
        kind = np.full(count, RecordKind.EVENT, dtype=np.uint8)
        kind[ticks] = RecordKind.TICK
        occurred_at_ms = np.empty(count, dtype=np.int64)
        occurred_at_ms[kind == RecordKind.EVENT] = share.occurred_at_ms
        occurred_at_ms[ticks] = ticks_ms
        begin = share.begin + first
        return Batch(
            topic=share.topic,
            begin=begin,
            end=begin + count,
            offsets=np.arange(begin, begin + count, dtype=np.int64),
            seen_at_ms=np.full(count, self._seen_at_ms, dtype=np.int64),
            kind=kind,
            occurred_at_ms=occurred_at_ms,
            events=share.events,
        )
