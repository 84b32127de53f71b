"""One record at a time: from it to bytes in the Confluent wire format and back, the reference for what bytes mean."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException

from schemas import definitions
from schemas.avro import check_writer, full_name, plain
from schemas.errors import EncodeError, IncompatibleSchemaError, MalformedError
from schemas.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.definitions import Schema
    from schemas.registry.source import SchemaRegistry
    from schemas.topics import TopicSpec

FRAME_BYTES = 5
NO_FRAME = "the value begins neither with a zero byte and a schema id nor as a JSON object"
INT_MAX = 2**31 - 1
_ENCODE_ERRORS = (ValueError, TypeError, AttributeError, OverflowError, KeyError)


def frame(schema_id: int) -> bytes:
    """What stands in front of records of this schema."""
    return b"\x00" + schema_id.to_bytes(4, "big")


def unframe(value: bytes) -> tuple[int, bytes]:
    """(schema id, record).

    Raises:
        MalformedError: the value is not framed.
    """
    if len(value) < FRAME_BYTES or value[0] != 0:
        raise MalformedError(Reason.NOT_FRAMED, NO_FRAME)
    return int.from_bytes(value[1:FRAME_BYTES], "big"), value[FRAME_BYTES:]


class RowWriter:
    """Writes records of one topic with its current schema. Times are integer milliseconds.

    Raises:
        UnknownSchemaError: the registry has no id for the schema.
        RegistryUnavailableError: the registry could not be asked.
    """

    def __init__(self, topic: TopicSpec, registry: SchemaRegistry) -> None:
        self._name = topic.schema
        self._frame = frame(registry.schema_id(topic))
        self._plain = plain(definitions.current(topic.schema))
        self._schema = fastavro.parse_schema(self._plain)

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """The record with its frame; fields with a default may be missing.

        Raises:
            EncodeError: a field is missing, unknown or of another type.
        """
        stream = BytesIO()
        stream.write(self._frame)
        try:
            fastavro.schemaless_writer(stream, self._schema, record, strict_allow_default=True)
        except _ENCODE_ERRORS as error:
            msg = f"the record does not fit {self._name}.avsc: {error}"
            raise EncodeError(msg) from error
        return stream.getvalue()


class RowReader:
    """Reads records written with one schema as records of another; both may have logical types or not.

    Raises:
        IncompatibleSchemaError: the writer schema is unusable, or its records cannot be read with ours.
    """

    def __init__(self, writer: Schema, reader: Schema) -> None:
        check_writer(writer)
        try:
            _check_times(writer, reader)
            theirs, ours = plain(writer), plain(reader)
            # A team may call its record what it likes: the fields decide whether we can read it.
            ours = {**ours, "name": full_name(theirs, ""), "namespace": "", "fields": _as_written(theirs, ours)}
            self._writer = fastavro.parse_schema(theirs)
            self._reader = fastavro.parse_schema(ours)
        except (SchemaParseException, KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"the writer schema is malformed: {error!r}"
            raise IncompatibleSchemaError(msg) from error
        self._ints = [f["name"] for f in ours["fields"] if f["type"] in ("int", ["null", "int"], ["int", "null"])]
        self._defaults = _defaults(reader)

    def read(self, body: bytes) -> dict[str, Any]:
        """The record in these bytes, which stand behind the frame.

        Raises:
            MalformedError: the bytes are not exactly one such record.
        """
        stream = BytesIO(body)
        try:
            row: Any = fastavro.schemaless_reader(stream, self._writer, self._reader)
        except SchemaResolutionError as error:
            raise MalformedError(Reason.INCOMPATIBLE_SCHEMA, str(error)[:200]) from error
        except Exception as error:  # the reader raises whatever the bytes led it to
            msg = f"{type(error).__name__}: {error}"[:200]
            raise MalformedError(Reason.MALFORMED, msg) from error
        left = len(body) - stream.tell()
        if left:
            raise MalformedError(Reason.MALFORMED, f"{left} bytes are left behind the record")
        for name, default in self._defaults.items():
            if row[name] is None:
                row[name] = default
        for name in self._ints:
            if row[name] is not None and not -INT_MAX - 1 <= row[name] <= INT_MAX:
                raise MalformedError(Reason.MALFORMED, f"{name} is no 32-bit integer")
        return dict(row)


def _defaults(reader: Schema) -> dict[str, Any]:
    """What null stands for in the fields that cannot be null."""
    fields = [field for field in reader["fields"] if not isinstance(field["type"], list)]
    return {field["name"]: field["default"] for field in fields if "default" in field}


def _as_written(writer: Schema, reader: Schema) -> list[dict[str, Any]]:
    """The reader's fields, with null beside a default, and with the writer's enum where we have a text."""
    enums = {field["name"]: field["type"] for field in writer["fields"] if _is_enum(field["type"])}
    defaults, fields = _defaults(reader), []
    for field in reader["fields"]:
        kind = field["type"]
        names = [name for name in (field["name"], *field.get("aliases", ())) if name in enums]
        if names and kind in ("string", ["null", "string"]):
            fields.append(
                {name: value for name, value in field.items() if name != "default"} | {"type": enums[names[0]]}
            )
        elif field["name"] in defaults:
            fields.append({**field, "type": [kind, "null"]})
        else:
            fields.append(field)
    return fields


def _is_enum(schema: Any) -> bool:
    branches = [branch for branch in (schema if isinstance(schema, list) else [schema]) if branch != "null"]
    return len(branches) == 1 and isinstance(branches[0], dict) and branches[0]["type"] == "enum"


def _check_times(writer: Schema, reader: Schema) -> None:
    """A time in another unit has the same bytes, and would be misread by a factor of a thousand."""
    ours = {field["name"]: _logical_type(field["type"]) for field in reader["fields"]}
    for field in writer["fields"]:
        theirs, expected = _logical_type(field["type"]), ours.get(field["name"])
        bare = plain(field["type"])
        if expected and (bare == "int" or (isinstance(bare, list) and "int" in bare)):
            msg = f"the writer schema has {field['name']} as int, too small for a time; write it as {expected}, a long"
            raise IncompatibleSchemaError(msg)
        if theirs and expected and theirs != expected:
            msg = f"the writer schema has {field['name']} as {theirs}; write it as {expected}"
            raise IncompatibleSchemaError(msg)


def _logical_type(schema: Any) -> str | None:
    branches = schema if isinstance(schema, list) else [schema]
    found = [branch.get("logicalType") for branch in branches if isinstance(branch, dict)]
    return found[0] if found else None
