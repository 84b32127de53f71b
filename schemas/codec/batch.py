"""A run of decoded records, as the decoder hands it to the core."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]


class RecordKind(IntEnum):
    """What the decoder found a record to be."""

    EVENT = 0
    TICK = 1
    BAD = 2
    TOMBSTONE = 3
    REROUTED = 4
    """Sent on to the partition of its key; nothing of it counts here."""


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that can never be applied; `index` is its place in the batch."""

    index: int
    reason: str
    detail: str


@dataclass(slots=True)
class Batch:
    """A run of one topic's records in one partition, in offset order.

    `begin` and `end` bound the offsets that the run covers, half-open: an offset in between that no record
    has is a hole that Kafka left (compaction, transaction marker). All arrays have one entry per record.
    """

    topic: str
    begin: int
    end: int
    offsets: I64
    seen_at_ms: I64
    """Kafka record timestamps."""
    kind: U8
    """`RecordKind` of each record."""
    occurred_at_ms: I64
    """Event time; a tick's time; 0 for bad and rerouted records and for profiles without `updated_at`."""
    events: pa.RecordBatch
    """Columns of the records with kind EVENT, in order, named as in the reader schema."""
    bad: Sequence[BadRecord] = ()
    keys: Sequence[bytes | None] = ()
    raw: Sequence[bytes | None] = ()
    """Original value bytes, for dead letters; empty in a backtest."""

    def __len__(self) -> int:
        return len(self.offsets)

    def reroute(self, places: I64) -> None:
        """Records that would be applied, at these places, are sent elsewhere instead."""
        moved = np.zeros(len(self), dtype=np.bool_)
        moved[places] = True
        self.events = self.events.filter(pa.array(~moved[self.kind == RecordKind.EVENT]))
        self.kind[places] = RecordKind.REROUTED
        self.occurred_at_ms[places] = 0
