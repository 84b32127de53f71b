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
from agents.replay.arrivals import Share, arrivals_of, day_ends, tick_times
from pipeline.config import EngineConfig
from pipeline.terms.arrays import I64
from schemas.codec.batch import Batch, RecordKind

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
    """One partition of one topic."""

    topic: str
    share: Share

    def batch(self, first: int, last: int, ticks_ms: I64, seen_at_ms: int) -> Batch:
        """The rows of days `first` to `last`, excluding `last`, with the tick of each."""
        bounds = self.share.bounds
        low, high = int(bounds[first]), int(bounds[last])
        count = high - low + last - first
        ticks = bounds[first + 1 : last + 1] - low + np.arange(last - first)
        kind = np.full(count, RecordKind.EVENT, dtype=np.uint8)
        kind[ticks] = RecordKind.TICK
        occurred_at_ms = np.empty(count, dtype=np.int64)
        occurred_at_ms[kind == RecordKind.EVENT] = self.share.occurred_at_ms[low:high]
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
            events=self.share.events.slice(low, high - low),
        )


class Stream:
    """The whole input, window by window."""

    def __init__(self, files: EventFiles, config: EngineConfig, partitions: int, seen_at_ms: int) -> None:
        """`seen_at_ms` is the arrival time of all records, against which a future date is judged."""
        topics = arrivals_of(files)
        self._ticks_ms = tick_times(topics, day_ends(config))
        self._lanes = [
            _Lane(topic.topic, share) for topic in topics for share in topic.shares(partitions, self._ticks_ms)
        ]
        self._seen_at_ms = seen_at_ms

    @property
    def days(self) -> int:
        """Ticks of each topic in each partition."""
        return len(self._ticks_ms)

    def windows(self) -> Iterator[Window]:
        """All windows in order."""
        first = 0
        ends = np.sum([lane.share.bounds for lane in self._lanes], axis=0)
        while first < self.days:
            full = int(np.searchsorted(ends, ends[first] + _WINDOW_ROWS))
            last = min(self.days, first + _WINDOW_DAYS, max(first + 1, full))
            yield Window(
                tuple(
                    (lane.share.number, lane.batch(first, last, self._ticks_ms, self._seen_at_ms))
                    for lane in self._lanes
                ),
                int(ends[last] - ends[first]),
                int(self._ticks_ms[last - 1]),
            )
            first = last
