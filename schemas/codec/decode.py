"""From the bytes of a run of Kafka records to columns."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas import definitions
from schemas.accounts import RESERVED, of_fleet
from schemas.arrays import numbers
from schemas.avro import full_name
from schemas.codec import framing
from schemas.codec.batch import BadRecord, Batch, RecordKind
from schemas.codec.columnar import Decoded, GroupDecoder, one_batch
from schemas.codec.json import JsonDecoder
from schemas.codec.projection import columns_of, readable
from schemas.codec.rows import FRAME_BYTES
from schemas.columns import violations
from schemas.errors import IncompatibleSchemaError, RegistryUnavailableError, UnknownSchemaError
from schemas.reasons import Reason
from schemas.topics import CLOCK_TICKS, TICK_KEY, TopicSpec
from schemas.validation import EVENT_TIME, MAX_ID_BYTES, MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from schemas.codec.batch import I64
    from schemas.registry.source import SchemaId, SchemaRegistry

_BODY: Callable[[Any], bytes] = itemgetter(slice(FRAME_BYTES, None))
"""What stands behind the frame of a value; nearly twice as fast as a comprehension."""
_COMPACTED = frozenset({"account.profiles"})
"""Topics in which a null value says that the key's record is gone."""


@dataclass(slots=True)
class _Found:
    """What is known so far about the records of a batch."""

    kind: np.ndarray[tuple[int], np.dtype[np.uint8]]
    occurred_at_ms: I64
    keys: pa.Array
    bad: dict[int, tuple[str, str]]

    def reject(self, place: int, why: tuple[str, str]) -> None:
        """Keep the first reason that is found."""
        self.bad.setdefault(place, why)


class Decoder:
    """Decodes one input topic. Not for use by several threads at once.

    Args:
        topic: one of INPUT_TOPICS.
        registry: where writer schemas are looked up by the id in each record.
        max_record_bytes: longer values are bad records, and are not decoded.
    """

    def __init__(self, topic: TopicSpec, registry: SchemaRegistry, max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        self._topic = topic
        self._registry = registry
        self._max_record_bytes = max_record_bytes
        self._reader = definitions.current(topic.schema)
        self._tick_reader = definitions.current(CLOCK_TICKS.schema)
        self._columns = columns_of(readable(self._reader))
        self._time = EVENT_TIME[topic.schema]
        self._json = JsonDecoder(self._reader)
        self._groups: dict[SchemaId, tuple[RecordKind, GroupDecoder] | IncompatibleSchemaError] = {}

    @property
    def slow_records(self) -> int:
        """Records that had to be read one by one so far."""
        groups = [group for group in self._groups.values() if isinstance(group, tuple)]
        return sum(decoder.slow_records for _, decoder in groups)

    def decode(
        self,
        partition: int,
        begin: int,
        end: int,
        offsets: Sequence[int] | I64,
        timestamps_ms: Sequence[int] | I64,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        headers: Sequence[framing.Headers] = (),
    ) -> Batch:
        """Decode and validate a run of records of one partition.

        `begin` and `end` bound the offsets that the run covers, half-open; without `headers` no record has any.

        Raises:
            RegistryUnavailableError: a schema is not at hand; pause the partition and decode again later.
        """
        frames = framing.parse(values, self._max_record_bytes, headers)
        found = self._found(keys, frames)
        events: list[Decoded] = []
        missing: RegistryUnavailableError | None = None
        for schema_id in np.unique(frames.schema_ids).tolist():
            if schema_id >= 0:
                try:
                    self._decode_group(schema_id, frames, values, found, events)
                except RegistryUnavailableError as error:
                    # The others are asked for too, so that all that is missing can be fetched at once.
                    missing = error
        if missing is not None:
            raise missing
        json = np.flatnonzero(frames.schema_ids == framing.JSON)
        if len(json):
            decoded = self._json.decode([values[place] or b"" for place in json.tolist()], json)
            for place, why in decoded.bad.items():
                found.reject(place, why)
            events.append(decoded)
        columns = self._finish(_merged(events, self._columns), found)
        bad = [BadRecord(place, *found.bad[place]) for place in sorted(found.bad)]
        return Batch(
            topic=self._topic.name,
            begin=begin,
            end=end,
            offsets=np.asarray(offsets, dtype=np.int64),
            seen_at_ms=np.asarray(timestamps_ms, dtype=np.int64),
            kind=found.kind,
            occurred_at_ms=found.occurred_at_ms,
            events=columns,
            bad=bad,
            keys=keys,
            raw=values,
        )

    def _found(self, keys: Sequence[bytes | None], frames: framing.Frames) -> _Found:
        """What the keys and frames alone say."""
        count = len(keys)
        key_array = pa.array(keys, pa.binary())
        found = _Found(
            kind=np.full(count, RecordKind.BAD, dtype=np.uint8),
            occurred_at_ms=np.zeros(count, dtype=np.int64),
            keys=key_array,
            bad={},
        )
        if key_array.null_count:
            for place in np.flatnonzero(key_array.is_null().to_numpy(zero_copy_only=False)).tolist():
                found.reject(place, (Reason.NULL_KEY, "the key is null; it must be the account_id"))
        for place, why in frames.bad.items():
            found.reject(place, why)
        for place in np.flatnonzero(frames.is_null).tolist():
            self._take_null(place, keys[place], found)
        return found

    def _take_null(self, place: int, key: bytes | None, found: _Found) -> None:
        """A null value: a tombstone in a compacted topic, else bad."""
        if self._topic.name not in _COMPACTED:
            found.reject(place, (Reason.NULL_VALUE, "the value is null"))
        elif key is None:
            return
        elif not _is_id(key):
            detail = f"the key has no 1 to {MAX_ID_BYTES} bytes of UTF-8 without NUL"
            found.reject(place, (Reason.INVALID_ID, detail))
        elif of_fleet(key.decode()):
            found.reject(place, (Reason.RESERVED_ID, RESERVED))
        else:
            found.kind[place] = RecordKind.TOMBSTONE

    def _decode_group(
        self,
        schema_id: int,
        frames: framing.Frames,
        values: Sequence[bytes | None],
        found: _Found,
        events: list[Decoded],
    ) -> None:
        """Decode the records of one writer schema: ticks are finished, events are added to `events`."""
        places = np.flatnonzero(frames.schema_ids == schema_id)
        in_header = schema_id >= framing.IN_HEADER
        try:
            kind, decoder = self._group(frames.named[schema_id - framing.IN_HEADER] if in_header else schema_id)
        except (UnknownSchemaError, IncompatibleSchemaError) as error:
            reason = Reason.UNKNOWN_SCHEMA if isinstance(error, UnknownSchemaError) else Reason.INCOMPATIBLE_SCHEMA
            for place in places.tolist():
                found.reject(place, (reason, str(error)))
            return
        picked = values if len(places) == len(values) else [values[place] for place in places.tolist()]
        bodies = [value or b"" for value in picked] if in_header else list(map(_BODY, picked))
        decoded = decoder.decode(bodies, frames.body_sizes[places])
        for row, why in decoded.bad.items():
            found.reject(int(places[row]), why)
        here = Decoded(places[decoded.rows], decoded.columns, {})
        if kind == RecordKind.TICK:
            _take_ticks(here, found)
        else:
            events.append(here)

    def _group(self, schema_id: SchemaId) -> tuple[RecordKind, GroupDecoder]:
        """What records of this writer schema are, and their decoder."""
        known = self._groups.get(schema_id)
        if known is None:
            try:
                known = self._new_group(self._registry.schema(schema_id))
            except IncompatibleSchemaError as error:
                known = error
            self._groups[schema_id] = known
        if isinstance(known, IncompatibleSchemaError):
            raise known
        return known

    def _new_group(self, writer: definitions.Schema) -> tuple[RecordKind, GroupDecoder]:
        if writer.get("name") and full_name(writer, "") == full_name(self._tick_reader, ""):
            return RecordKind.TICK, GroupDecoder(writer, self._tick_reader)
        return RecordKind.EVENT, GroupDecoder(writer, self._reader)

    def _finish(self, decoded: Decoded, found: _Found) -> pa.RecordBatch:
        """Validate events, fill in what is known of them, and return the columns of the good ones."""
        rows, columns = decoded.rows, decoded.columns
        if not len(rows):
            return columns
        keys = found.keys if len(rows) == len(found.keys) else found.keys.take(pa.array(rows))
        for row in _key_mismatches(keys, columns.column("account_id")).tolist():
            found.reject(int(rows[row]), (Reason.KEY_MISMATCH, "the key is not the account_id"))
        for row, why in violations(self._topic.schema, columns).items():
            found.reject(int(rows[row]), why)
        if found.bad:
            good = ~np.isin(rows, np.fromiter(found.bad, dtype=np.int64))
            rows, columns = rows[good], columns.filter(pa.array(good))
        found.kind[rows] = RecordKind.EVENT
        times = columns.column(self._time)
        found.occurred_at_ms[rows] = numbers(times.fill_null(0) if times.null_count else times)
        return columns


def _take_ticks(ticks: Decoded, found: _Found) -> None:
    """Validate ticks and fill in their times."""
    for place in ticks.rows.tolist():
        if found.keys[place].as_py() != TICK_KEY:
            found.reject(place, (Reason.KEY_MISMATCH, f"the key of a tick must be {TICK_KEY!r}"))
    for row, why in violations(CLOCK_TICKS.schema, ticks.columns).items():
        found.reject(int(ticks.rows[row]), why)
    times = ticks.columns.column("at_ms").to_pylist()
    for place, at_ms in zip(ticks.rows.tolist(), times, strict=True):
        if place not in found.bad:
            found.kind[place] = RecordKind.TICK
            found.occurred_at_ms[place] = at_ms


def _key_mismatches(keys: pa.Array, ids: pa.Array) -> I64:
    """Rows whose key is there, but is not the UTF-8 of their id; ids are never null."""
    expected = ids.view(pa.binary())
    if keys.equals(expected):
        return np.zeros(0, dtype=np.int64)
    differ: npt.NDArray[np.bool_] = pc.not_equal(keys, expected).fill_null(False).to_numpy(zero_copy_only=False)
    return np.flatnonzero(differ)


def _merged(parts: list[Decoded], columns: pa.Schema) -> Decoded:
    """Groups of several writer schemas, back in order."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Decoded(np.zeros(0, dtype=np.int64), pa.RecordBatch.from_pylist([], schema=columns), {})
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows)
    table = pa.Table.from_batches([part.columns for part in parts], schema=columns)
    return Decoded(rows[order], one_batch(table.take(pa.array(order))), {})


def _is_id(key: bytes) -> bool:
    try:
        text = key.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return 1 <= len(key) <= MAX_ID_BYTES and "\x00" not in text
