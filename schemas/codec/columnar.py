"""Decoding the records of one writer schema: columns at once, and one by one where that fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyruhvro

from schemas.arrays import numbers, valid
from schemas.avro import plain
from schemas.codec.encoded_size import encoded_sizes
from schemas.codec.projection import Projection, columns_of, project, readable
from schemas.codec.rows import INT_MAX, RowReader
from schemas.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from schemas.codec.batch import I64
    from schemas.definitions import Schema

FEW = 16
"""So many records are read one by one rather than split further."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Records that could be read, by their place in the group, and why the others could not."""

    rows: I64
    columns: pa.RecordBatch
    bad: dict[int, tuple[str, str]]


class GroupDecoder:
    """Decodes records of one writer schema into the columns of ours.

    The columnar decoder is let in only if it can be trusted with all types of the writer schema, and believed
    only for records whose bytes it provably read to the last. Whatever it rejects, or might have misread, the
    row reader decides: so a record's fate never depends on its neighbours.

    Raises:
        IncompatibleSchemaError: records of this writer schema cannot be read with ours.
    """

    def __init__(self, writer: Schema, reader: Schema) -> None:
        ours = readable(reader)
        self._reader = RowReader(writer, {**reader, "fields": _same(reader, ours)})
        self._projection = project(plain(writer), ours)
        self._columns = columns_of(ours)
        self.slow_records = 0
        """Records that were read one by one so far."""

    def decode(self, bodies: Sequence[bytes], sizes: I64) -> Decoded:
        """Read records without their frames; `sizes` are their lengths in bytes."""
        places = np.arange(len(bodies), dtype=np.int64)
        parts = self._parts(bodies, sizes, places)
        if len(parts) == 1:
            return parts[0]
        bad = {place: why for part in parts for place, why in part.bad.items()}
        rows = np.concatenate([part.rows for part in parts])
        table = pa.Table.from_batches([part.columns for part in parts], schema=self._columns)
        order = np.argsort(rows)
        columns = one_batch(table.take(pa.array(order)))
        return Decoded(rows[order], columns, bad)

    def _parts(self, bodies: Sequence[bytes], sizes: I64, places: I64) -> list[Decoded]:
        """Halve what cannot be decoded at once, so that one bad record does not slow down thousands."""
        if self._projection is None or len(bodies) <= FEW:
            return [self._one_by_one(bodies, places)]
        columns = self._at_once(self._projection, bodies)
        if columns is None:
            half = len(bodies) // 2
            return [
                *self._parts(bodies[:half], sizes[:half], places[:half]),
                *self._parts(bodies[half:], sizes[half:], places[half:]),
            ]
        sure = _read_to_the_last(self._projection, columns, sizes)
        ours = _projected(self._projection, columns)
        if sure.all():
            return [Decoded(places, ours, {})]
        unsure = np.flatnonzero(~sure)
        rest = self._one_by_one([bodies[row] for row in unsure.tolist()], places[unsure])
        return [Decoded(places[sure], ours.filter(pa.array(sure)), {}), rest]

    def _at_once(self, projection: Projection, bodies: Sequence[bytes]) -> pa.RecordBatch | None:
        """The writer's columns, or None if the decoder rejects one of the records."""
        try:
            columns = pyruhvro.deserialize_array(bodies, projection.wire)
            columns.validate(full=True)  # the decoder takes any bytes for text
        except Exception:
            return None
        except BaseException as error:
            # A panic in the decoder's Rust is no Exception; an interrupt is none of our business.
            if type(error).__name__ != "PanicException":
                raise
            return None
        return columns

    def _one_by_one(self, bodies: Sequence[bytes], places: I64) -> Decoded:
        self.slow_records += len(bodies)
        rows, read, bad = [], [], {}
        for place, body in zip(places.tolist(), bodies, strict=True):
            try:
                rows.append(self._reader.read(body))
                read.append(place)
            except MalformedError as error:
                bad[place] = (error.reason, error.detail)
        columns = pa.RecordBatch.from_pylist(rows, schema=self._columns)
        return Decoded(np.array(read, dtype=np.int64), columns, bad)


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """The table in one piece, empty or not."""
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _same(reader: Schema, ours: Schema) -> list[object]:
    """The reader's own fields, with their logical types, that have a column."""
    names = {field["name"] for field in ours["fields"]}
    return [field for field in reader["fields"] if field["name"] in names]


def _read_to_the_last(projection: Projection, columns: pa.RecordBatch, sizes: I64) -> npt.NDArray[np.bool_]:
    """Which records the decoder has provably read whole, with every int within 32 bits."""
    sure: npt.NDArray[np.bool_] = encoded_sizes(columns, projection.shapes) == sizes
    for column, shape in zip(columns.columns, projection.shapes, strict=True):
        if shape.kind == "int":
            values = numbers(column)
            within = (values >= -INT_MAX - 1) & (values <= INT_MAX)
            sure &= within if not column.null_count else within | ~valid(column)
    return sure


def _projected(projection: Projection, columns: pa.RecordBatch) -> pa.RecordBatch:
    """The writer's columns as ours."""
    arrays = []
    for source, field in zip(projection.sources, projection.columns, strict=True):
        if source.column is None:
            scalar = pa.scalar(source.constant, type=field.type)
            arrays.append(pa.repeat(scalar, columns.num_rows))
            continue
        array = columns.column(source.column)
        if source.constant is not None and array.null_count:
            array = array.fill_null(source.constant)
        # An integer beyond 2^53 becomes the nearest double, as Avro's promotion has it.
        arrays.append(array if array.type == field.type else array.cast(field.type, safe=False))
    return pa.RecordBatch.from_arrays(arrays, schema=projection.columns)
