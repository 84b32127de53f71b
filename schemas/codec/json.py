"""Records that are JSON objects: the fields of our schema by name, plain or as the `data` of a CloudEvent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa

from schemas.avro import plain
from schemas.codec.columnar import Decoded
from schemas.codec.projection import columns_of, readable, shape_of
from schemas.codec.rows import INT_MAX
from schemas.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.codec.batch import I64
    from schemas.definitions import Schema

_ENVELOPE = b'"specversion"'
_DETAIL_MOST = 200
_TYPES: dict[str, Any] = {
    "string": str,
    "int": Annotated[int, msgspec.Meta(ge=-INT_MAX - 1, le=INT_MAX)],
    "long": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "float": float,
    "double": float,
    "strings": list[str],
}


class _Head(msgspec.Struct):
    specversion: str | None = None


_HEAD = msgspec.json.Decoder(_Head)


class JsonDecoder:
    """Decodes JSON objects into the columns of one of our schemas.

    What Avro would refuse is refused here: a field that is missing without a default, a value of another type. Times
    are integer milliseconds. Null stands for a field's default, and fields that we do not know are left out.
    """

    def __init__(self, reader: Schema) -> None:
        ours = readable(reader)
        self._columns = columns_of(ours)
        self._defaults = {name: default for name, default in map(_default, ours["fields"]) if default is not None}
        event = msgspec.defstruct("Event", [_member(field) for field in ours["fields"]], kw_only=True)
        self._plain = msgspec.json.Decoder(event)
        self._structured: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct("CloudEvent", [("data", event)])
        )

    def decode(self, values: Sequence[bytes], places: I64) -> Decoded:
        """Read objects; what is no such object is bad."""
        rows: list[Any] = []
        read: list[int] = []
        bad: dict[int, tuple[str, str]] = {}
        for place, value in zip(places.tolist(), values, strict=True):
            try:
                rows.append(self._structured.decode(value).data if _in_envelope(value) else self._plain.decode(value))
                read.append(place)
            except (msgspec.DecodeError, RecursionError, ValueError) as error:
                bad[place] = (Reason.MALFORMED, f"JSON: {error}"[:_DETAIL_MOST])
        arrays = [pa.array(self._values(field.name, rows), type=field.type) for field in self._columns]
        columns = pa.RecordBatch.from_arrays(arrays, schema=self._columns)
        return Decoded(np.array(read, dtype=np.int64), columns, bad)

    def _values(self, name: str, rows: Sequence[Any]) -> list[Any]:
        values = [getattr(row, name) for row in rows]
        default = self._defaults.get(name)
        return values if default is None else [default if value is None else value for value in values]


def _in_envelope(value: bytes) -> bool:
    return _ENVELOPE in value and _HEAD.decode(value).specversion is not None


def _default(field: dict[str, Any]) -> tuple[str, Any]:
    return field["name"], field.get("default")


def _member(field: dict[str, Any]) -> tuple[Any, ...]:
    """A field of the object: its name, type and, if it may be left out, None."""
    shape = shape_of(plain(field["type"]))
    kind = _TYPES[shape.kind]
    if "default" in field:
        return field["name"], kind | None, None
    return (field["name"], kind | None) if shape.nullable else (field["name"], kind)
