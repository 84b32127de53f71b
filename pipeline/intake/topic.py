"""One input topic of a partition: batches that wait, and how far it has come."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from pipeline.intake.ledger import TopicLedger
from pipeline.terms.arrays import I64, Bools
from pipeline.terms.records import Batch, RecordKind

BEFORE_TIME = -(2**62)
"""Watermark of a topic that has not been heard of."""


@dataclass(slots=True)
class Pending:
    """A batch being applied: event time of what moves the watermark, and how far it has been applied."""

    batch: Batch
    future: Bools
    reached_ms: I64
    """Greatest event time up to and including each record."""
    events_before: I64
    """How many records with a row in `events` stand before each record."""
    cursor: int = 0


@dataclass(slots=True)
class Topic:
    """One input topic of the partition."""

    name: str
    number: int
    ledger: TopicLedger = field(default_factory=TopicLedger)
    queue: deque[Pending] = field(default_factory=deque)
    end: int = 0
    """Next offset to be pushed."""
    reached_ms: int = BEFORE_TIME
    """Greatest event time applied."""
    queued_ms: int = BEFORE_TIME
    """Greatest event time pushed."""
    head_ms: int = BEFORE_TIME
    """Greatest event time applied or held at the barrier."""
    read_by: str = ""
    """Release that read a record of it last."""

    def take(self, batch: Batch, max_skew_ms: int) -> None:
        """Queue a batch that reaches beyond `end`; what was pushed before moves no watermark again."""
        future = (batch.kind == RecordKind.EVENT) | (batch.kind == RecordKind.TICK)
        timed = future & (batch.occurred_at_ms > 0) if self.name == "account.profiles" else future
        future = future & (batch.occurred_at_ms > batch.seen_at_ms + max_skew_ms)
        times = np.where(timed & ~future, batch.occurred_at_ms, BEFORE_TIME)
        cursor = int(np.searchsorted(batch.offsets, self.end))
        times[:cursor] = BEFORE_TIME
        reached = np.maximum(np.maximum.accumulate(times), self.queued_ms) if len(times) else times
        if len(reached):
            self.queued_ms = int(reached[-1])
        is_event = batch.kind == RecordKind.EVENT
        self.queue.append(Pending(batch, future, reached, np.cumsum(is_event) - is_event, cursor))
        self.end = batch.end
