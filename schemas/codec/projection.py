"""How the columns of a writer schema become those of ours: defaults, aliases, promotions, dropped fields."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from schemas.avro import plain

if TYPE_CHECKING:
    from schemas.definitions import Schema

ARROW_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int64(),
    "long": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "strings": pa.list_(pa.string()),
}
_PROMOTIONS = {
    ("int", "long"),
    ("int", "double"),
    ("long", "double"),
    ("float", "double"),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """Type of a field: what it holds, and whether it may be null. Kind "other" has no column."""

    kind: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class Source:
    """Where a column of ours comes from: a column of the writer, or the same value for all."""

    column: int | None
    constant: Any = None
    """With a column, what its nulls become."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A writer schema that decodes straight into columns.

    `wire` is what the columnar decoder is told. An Avro int has the bytes of a long, and is decoded as one,
    because the decoder drops high bits of an int that is too large.
    """

    wire: str
    shapes: tuple[Shape, ...]
    """Of the writer's fields."""
    sources: tuple[Source, ...]
    """Of our columns."""
    columns: pa.Schema


def shape_of(schema: Any) -> Shape:
    """The shape of a plain schema."""
    if isinstance(schema, list):
        branches = [branch for branch in schema if branch != "null"]
        if len(schema) == 2 and len(branches) == 1:
            return Shape(shape_of(branches[0]).kind, nullable=True)
        return Shape("other", nullable=False)
    if isinstance(schema, dict):
        if schema["type"] == "array" and schema["items"] == "string":
            return Shape("strings", nullable=False)
        if schema["type"] == "map" and schema["values"] == "string":
            return Shape("map", nullable=False)
        return Shape("other", nullable=False)
    return Shape(schema if schema in ARROW_TYPES else "other", nullable=False)


def readable(schema: Schema) -> Schema:
    """Our schema, plain, reduced to the fields that become columns. Maps do not: nothing reads them."""
    reader: Schema = plain(schema)
    fields = [field for field in reader["fields"] if shape_of(field["type"]).kind in ARROW_TYPES]
    return {**reader, "fields": fields}


def columns_of(reader: Schema) -> pa.Schema:
    """Arrow schema of a readable schema. Times are int64 milliseconds; every integer is int64."""
    shapes = [(field["name"], shape_of(field["type"])) for field in reader["fields"]]
    return pa.schema([pa.field(name, ARROW_TYPES[s.kind], nullable=s.nullable) for name, s in shapes])


def project(writer: Schema, reader: Schema) -> Projection | None:
    """The projection from a plain writer schema, or None if only a record-by-record reader can resolve it."""
    shapes = tuple(shape_of(field["type"]) for field in writer["fields"])
    if any(shape.kind == "other" for shape in shapes):
        return None
    places = {field["name"]: place for place, field in enumerate(writer["fields"])}
    sources = [_source(field, places, shapes) for field in reader["fields"]]
    found = [source for source in sources if source is not None]
    if len(found) < len(sources):
        return None
    return Projection(json.dumps(widened(writer)), shapes, tuple(found), columns_of(reader))


def _source(field: dict[str, Any], places: dict[str, int], shapes: tuple[Shape, ...]) -> Source | None:
    """Where a field of ours comes from; None if that needs more than a column."""
    names = [name for name in (field["name"], *field.get("aliases", ())) if name in places]
    shape = shape_of(field["type"])
    if not names:
        default = field.get("default")
        constant = "default" in field and (default is not None or shape.nullable)
        return Source(None, default) if constant and not isinstance(default, list | dict) else None
    column = places[names[0]]
    theirs = shapes[column]
    same = theirs.kind == shape.kind or (theirs.kind, shape.kind) in _PROMOTIONS
    if not same:
        return None
    if shape.nullable or not theirs.nullable:
        return Source(column)
    return Source(column, field["default"]) if isinstance(field.get("default"), str | float | int) else None


def widened(schema: Any) -> Any:
    """The writer schema with every int as a long."""
    if isinstance(schema, list):
        return [widened(branch) for branch in schema]
    if isinstance(schema, dict):
        kept = {name: schema[name] for name in ("name", "items", "values") if name in schema}
        if "fields" in schema:
            kept["fields"] = [{"name": field["name"], "type": widened(field["type"])} for field in schema["fields"]]
        return {"type": schema["type"], **kept}
    return "long" if schema == "int" else schema
