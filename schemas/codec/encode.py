"""From records to bytes in the Confluent wire format, and back one at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyruhvro

from schemas import definitions
from schemas.codec.projection import shape_of, widened
from schemas.codec.rows import INT_MAX, RowReader, RowWriter, unframe
from schemas.errors import EncodeError
from schemas.topics import CLOCK_TICKS

if TYPE_CHECKING:
    from schemas.registry.source import SchemaRegistry
    from schemas.topics import TopicSpec


class Encoder(RowWriter):
    """Writes whole tables too."""

    def __init__(self, topic: TopicSpec, registry: SchemaRegistry) -> None:
        super().__init__(topic, registry)
        self._is_columnar = all(shape_of(field["type"]).kind != "other" for field in self._plain["fields"])
        self._wire = json.dumps(widened(self._plain))

    def encode_table(self, table: pa.Table) -> list[bytes]:
        """All rows, framed. A missing column, or a null where none may be, becomes the field's default.

        Raises:
            EncodeError: a column is missing, unknown or of another type.
        """
        unknown = set(table.column_names) - {field["name"] for field in self._plain["fields"]}
        if unknown:
            msg = f"{self._name}.avsc has no field {', '.join(sorted(unknown))}"
            raise EncodeError(msg)
        if not self._is_columnar:
            return [self.encode(row) for row in table.to_pylist()]
        types = pyruhvro.avro_to_arrow_schema(self._wire)
        fields = zip(self._plain["fields"], types, strict=True)
        columns = [self._column(table, field, expected) for field, expected in fields]
        encoded: list[bytes] = []
        for batch in pa.table(columns, schema=types).to_batches():
            for array in pyruhvro.serialize_record_batch(batch, self._wire, 1):
                encoded += [self._frame + body for body in array.to_pylist()]
        return encoded

    def _column(self, table: pa.Table, field: dict[str, Any], expected: pa.Field) -> pa.ChunkedArray:
        """The column of a field, as the columnar encoder wants it."""
        name = field["name"]
        has_default = "default" in field
        if name not in table.column_names and not has_default:
            msg = f"the column {name} of {self._name}.avsc is missing"
            raise EncodeError(msg)
        try:
            if name not in table.column_names:
                default = pa.scalar(field["default"], type=expected.type)
                return pa.chunked_array([pa.repeat(default, table.num_rows)])
            column = _cast(table.column(name), expected.type)
        except pa.ArrowException as error:
            msg = f"the column {name} does not fit {self._name}.avsc: {error}"
            raise EncodeError(msg) from error
        if column.null_count and not expected.nullable:
            if not has_default:
                msg = f"the column {name} has nulls, and {self._name}.avsc has no default for it"
                raise EncodeError(msg)
            column = column.fill_null(field["default"])
        if shape_of(field["type"]).kind == "int":
            extent = pc.min_max(column).as_py()
            if extent["min"] is not None and not (-INT_MAX - 1 <= extent["min"] <= extent["max"] <= INT_MAX):
                msg = f"the column {name} has a number beyond 32 bits"
                raise EncodeError(msg)
        return column


class TickEncoder:
    """Writes ticks; the same bytes fit every input topic. Raises as Encoder."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._encoder = Encoder(CLOCK_TICKS, registry)

    def encode(self, at_ms: int, source: str) -> bytes:
        """A tick that moves the watermark to this time; its key is TICK_KEY."""
        return self._encoder.encode({"at_ms": at_ms, "source": source})


class RecordDecoder:
    """Reads single records of one of our schemas, whichever version wrote them; times are milliseconds."""

    def __init__(self, schema: str, registry: SchemaRegistry) -> None:
        self._reader = definitions.current(schema)
        self._registry = registry
        self._readers: dict[int, RowReader] = {}

    def decode(self, value: bytes) -> dict[str, Any]:
        """The record in a framed value.

        Raises:
            MalformedError: the bytes are no such record.
            UnknownSchemaError, IncompatibleSchemaError: its writer schema cannot be had or used.
            RegistryUnavailableError: the registry could not be asked; try again later.
        """
        schema_id, body = unframe(value)
        reader = self._readers.get(schema_id)
        if reader is None:
            reader = self._readers[schema_id] = RowReader(self._registry.schema(schema_id), self._reader)
        return reader.read(body)


def _cast(column: pa.ChunkedArray, expected: pa.DataType) -> pa.ChunkedArray:
    """Times become milliseconds; everything else must fit as it is."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", column.type.tz))
    return column if column.type == expected else column.cast(expected)
