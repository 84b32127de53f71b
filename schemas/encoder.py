"""From records to bytes in the Confluent wire format, and back one at a time."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import fastavro
import pyarrow as pa
import pyruhvro

from schemas import definitions
from schemas.avro import plain
from schemas.errors import EncodeError
from schemas.framing import frame, unframe
from schemas.rows import RowReader
from schemas.topics import CLOCK_TICKS, TopicSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.registry import SchemaRegistry


class Encoder:
    """Writes records of one topic with its current schema. Times are integer milliseconds.

    Raises:
        UnknownSchemaError, RegistryUnavailableError: as SchemaRegistry.schema_id.
    """

    def __init__(self, topic: TopicSpec, registry: SchemaRegistry) -> None:
        schema = definitions.current(topic.schema)
        self._name = topic.schema
        self._frame = frame(registry.schema_id(topic))
        self._schema = fastavro.parse_schema(plain(schema))

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """The record with its frame; fields with a default may be missing.

        Raises:
            EncodeError: a field is missing, unknown or of another type.
        """
        stream = BytesIO()
        stream.write(self._frame)
        try:
            fastavro.schemaless_writer(stream, self._schema, record, strict_allow_default=True)
        except (ValueError, TypeError, AttributeError, OverflowError, KeyError) as error:
            msg = f"the record does not fit {self._name}.avsc: {error}"
            raise EncodeError(msg) from error
        return stream.getvalue()
