"""Replay batches cut to the size in which a worker gets them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from schemas.codec.batch import Batch, RecordKind

BATCH_RECORDS = 5_000


def cut(batch: Batch, size: int = BATCH_RECORDS) -> Iterator[Batch]:
    """The batch in parts of at most `size` records."""
    events_before = np.concatenate([[0], np.cumsum(batch.kind == RecordKind.EVENT)])
    for first in range(0, len(batch), size):
        last = min(first + size, len(batch))
        yield Batch(
            topic=batch.topic,
            begin=int(batch.offsets[first]),
            end=int(batch.offsets[last - 1]) + 1,
            offsets=batch.offsets[first:last],
            seen_at_ms=batch.seen_at_ms[first:last],
            kind=batch.kind[first:last],
            occurred_at_ms=batch.occurred_at_ms[first:last],
            events=batch.events.slice(int(events_before[first]), int(events_before[last] - events_before[first])),
        )
