"""Records in a partition that is not the one of their key: they are sent on to it, once.

Their producer places keys in another way than murmur2. The mark that they get on the way keeps them from going in
circles, and what a crash sends twice is a duplicate like any other.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from agents.transport.runs import Run
from agents.worker.publisher import Message
from pipeline.terms.records import Batch, RecordKind
from schemas.codec.batch import I64
from schemas.partitioning import partitions_of
from schemas.topics import TICK_KEY

MARK = "foreshock-rerouted-from"
"""Header of a record that was sent on: partition and offset that it came from."""
_MOST_HEADER_BYTES = 64 * 1024
"""Greater headers stay behind, lest the record become too large to be sent."""


def strays(run: Run, batch: Batch, count: int) -> I64:
    """Places of the records to be sent on, of a topic with so many partitions; none while their number is unknown (0).

    Of what would be applied, so that a bad record is quarantined under its own coordinates.
    """
    keys = [key for key in {*run.keys} if key is not None and key != TICK_KEY] if count else []
    foreign = np.flatnonzero(partitions_of(keys, count) != run.partition).tolist()
    if not foreign:
        return np.zeros(0, dtype=np.int64)
    elsewhere = {keys[place] for place in foreign}
    applicable = (batch.kind == RecordKind.EVENT) | (batch.kind == RecordKind.TOMBSTONE)
    return np.array(
        [
            place
            for place in np.flatnonzero(applicable).tolist()
            if run.keys[place] in elsewhere and all(name != MARK for name, _ in run.headers[place])
        ],
        dtype=np.int64,
    )


def sent_on(run: Run, places: I64) -> Iterator[Message]:
    """These records of a run as they are sent on: key, value, headers and time are as they were."""
    for place in places.tolist():
        given = run.headers[place]
        size = sum(len(name) + len(value or b"") for name, value in given)
        mark = (MARK, f"{run.partition}@{run.offsets[place]}")
        yield Message(
            run.topic,
            run.keys[place],
            run.values[place],
            [*(given if size <= _MOST_HEADER_BYTES else ()), mark],
            timestamp_ms=run.timestamps_ms[place],
        )
