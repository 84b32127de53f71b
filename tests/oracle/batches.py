"""The same records as the columnar core takes them."""

from __future__ import annotations

import json
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.terms.records import BadRecord, Batch, RecordKind
from schemas.definitions import current
from schemas.topics import TICK_KEY
from schemas.topics import TOPICS as SPECS
from tests.oracle.model import TOPICS, Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ARROW_TYPES = {
    "string": pa.string(),
    "int": pa.int64(),
    "long": pa.int64(),
    "double": pa.float64(),
    "array": pa.list_(pa.string()),
}
KINDS = {
    "event": RecordKind.EVENT,
    "tick": RecordKind.TICK,
    "bad": RecordKind.BAD,
    "tombstone": RecordKind.TOMBSTONE,
    "rerouted": RecordKind.REROUTED,
}


def columns_of(topic: str) -> pa.Schema:
    """Return the columns of a topic's events, as its schema names them; lists and maps have none here."""
    columns = []
    for declared in current(SPECS[topic].schema)["fields"]:
        branches = declared["type"] if isinstance(declared["type"], list) else [declared["type"]]
        names = [branch["type"] if isinstance(branch, dict) else branch for branch in branches]
        arrow_type = ARROW_TYPES.get(names[-1])
        if arrow_type is not None:
            columns.append(pa.field(declared["name"], arrow_type, nullable="null" in names))
    return pa.schema(columns)


COLUMNS: dict[str, pa.Schema] = {topic: columns_of(topic) for topic in TOPICS}


def to_batches(log: Mapping[str, Sequence[Record]], topic: str, sizes: Sequence[int]) -> list[Batch]:
    """Cut the log of a topic into batches; the sizes are used again and again until the log is used up."""
    records = log.get(topic, ())
    batches: list[Batch] = []
    begin = taken = 0
    for size in cycle(sizes):
        run = records[taken : taken + size]
        if not run:
            return batches
        batches.append(_batch(topic, begin, run))
        begin, taken = batches[-1].end, taken + size
    return batches


def _batch(topic: str, begin: int, run: Sequence[Record]) -> Batch:
    return Batch(
        topic=topic,
        begin=begin,
        end=run[-1].offset + 1,
        offsets=np.array([record.offset for record in run], dtype=np.int64),
        seen_at_ms=np.array([record.seen_at_ms for record in run], dtype=np.int64),
        kind=np.array([KINDS[record.kind] for record in run], dtype=np.uint8),
        occurred_at_ms=np.array([record.occurred_at_ms for record in run], dtype=np.int64),
        events=_columns(topic, [record.event or {} for record in run if record.kind == "event"]),
        bad=[BadRecord(i, "malformed", "bad bytes") for i, record in enumerate(run) if record.kind == "bad"],
        keys=[_key(record) for record in run],
        raw=[_raw(record) for record in run],
    )


def _columns(topic: str, events: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    columns = COLUMNS[topic]
    arrays = [pa.array([event.get(field.name) for event in events], type=field.type) for field in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def _key(record: Record) -> bytes | None:
    if record.kind == "tick":
        return TICK_KEY
    return None if record.event is None else str(record.event["account_id"]).encode()


def _raw(record: Record) -> bytes | None:
    if record.kind == "tombstone":
        return None
    return b"\xff" if record.event is None else json.dumps(record.event, sort_keys=True).encode()
