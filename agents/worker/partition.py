"""One input partition in this worker: its Feed, and what was delivered but is not durable yet."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Protocol

import numpy as np

from agents.process.exits import InvariantError
from agents.transport.runs import Run
from pipeline.intake.feed import Feed
from pipeline.terms.records import Batch, RecordKind


class Acknowledged(Protocol):
    """A Faust event whose acknowledgement is ours."""

    def ack(self) -> bool:
        """Acknowledge it."""


@dataclass(slots=True)
class Activity:
    """What came in on one topic of a partition."""

    event_at: float = field(default_factory=monotonic)
    """Monotonic time of the last event, or of the start."""
    event_ms: int = 0
    """Greatest event time seen since the start."""
    top_ms: int = 0
    """Greatest event or tick time seen since the start."""

    def saw(self, batch: Batch) -> None:
        """Take note of a batch."""
        if len(batch) == 0:
            return
        # An event from the future says nothing about what has been sent before.
        times = np.minimum(batch.occurred_at_ms, batch.seen_at_ms)
        events = times[batch.kind == RecordKind.EVENT]
        if len(events):
            self.event_at = monotonic()
            self.event_ms = max(self.event_ms, int(events.max()))
        ticks = batch.occurred_at_ms[batch.kind == RecordKind.TICK]
        self.top_ms = max(self.top_ms, self.event_ms, int(ticks.max()) if len(ticks) else 0)


class Partition:
    """One partition number of all input topics, owned by this worker."""

    def __init__(self, feed: Feed, epoch: int, starts: Mapping[str, int]) -> None:
        """`epoch` is the offset of our claim; at the offsets in `starts` the input topics go on."""
        self.feed = feed
        self.epoch = epoch
        self.number = feed.number
        self.expected = dict(starts)
        """First offset not yet delivered, by topic."""
        self.durable = dict(starts)
        """Positions of the last durable checkpoint, by topic."""
        self.moved = False
        """Whether the Feed took anything since the last checkpoint."""
        self.activity = {topic: Activity() for topic in starts}
        self.parked: dict[str, deque[Run]] = {topic: deque() for topic in starts}
        """Runs delivered that cannot be decoded now, by topic; what follows them waits too."""
        self._unacknowledged: defaultdict[str, deque[tuple[int, Acknowledged]]] = defaultdict(deque)
        self._counted: dict[tuple[str, str], int] = {
            (topic, fate): count for topic, fates in feed.fates.items() for fate, count in fates.items()
        }

    def admit(self, run: Run, event: Acknowledged) -> Run | None:
        """What of the run is new; None if all of it was delivered before.

        Raises:
            InvariantError: offsets before the run were never delivered.
        """
        expected = self.expected[run.topic]
        if run.begin > expected:
            message = (
                f"delivery gap in {run.topic}[{run.partition}]: expected offset {expected}, "
                f"got a run that begins at {run.begin}"
            )
            raise InvariantError(message)
        self._unacknowledged[run.topic].append((run.end, event))
        if run.end <= expected:
            run.drop_records()
            return None
        self.expected[run.topic] = run.end
        if run.begin == expected:
            return run
        new = _tail(run, expected)
        run.drop_records()
        return new

    def saw(self, batch: Batch) -> None:
        """Take note of what a batch tells of its topic's activity."""
        self.activity[batch.topic].saw(batch)

    def acknowledge(self, positions: Mapping[str, int]) -> None:
        """The Feed's state at these positions is durable: acknowledge what they cover."""
        self.durable.update(positions)
        for topic, waiting in self._unacknowledged.items():
            position = positions.get(topic, 0)
            while waiting and waiting[0][0] <= position:
                waiting.popleft()[1].ack()

    def forget_events(self) -> None:
        """Events of an earlier generation of the group cannot be acknowledged any more."""
        self._unacknowledged.clear()

    def fates_since(self) -> Iterator[tuple[str, str, int]]:
        """Topic, fate and number of the records that met it since the last call."""
        for topic, fates in self.feed.fates.items():
            for fate, count in fates.items():
                new = count - self._counted.get((topic, fate), 0)
                if new:
                    self._counted[topic, fate] = count
                    yield topic, fate, new


def _tail(run: Run, begin: int) -> Run:
    """The part of a run from an offset on."""
    first = next((index for index, offset in enumerate(run.offsets) if offset >= begin), len(run))
    return replace(
        run,
        begin=begin,
        offsets=run.offsets[first:],
        timestamps_ms=run.timestamps_ms[first:],
        keys=run.keys[first:],
        values=run.values[first:],
        headers=run.headers[first:],
    )
