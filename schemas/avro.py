"""Writer schemas come from outside: bring them to plain types, and refuse those that bytes could misuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.errors import IncompatibleSchemaError

if TYPE_CHECKING:
    from schemas.definitions import Schema

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
MAX_NODES = 2_000
"""Types in a writer schema, references written out."""

_KEPT = {
    "record": ("type", "name", "namespace", "aliases"),
    "enum": ("type", "name", "namespace", "aliases", "symbols", "default"),
    "fixed": ("type", "name", "namespace", "aliases", "size"),
    "array": ("type", "items"),
    "map": ("type", "values"),
}


def plain(schema: Any) -> Any:
    """The schema without logical types, docs and unknown attributes: the same bytes, read as bare numbers."""
    if isinstance(schema, list):
        return [plain(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema["type"]
    if not isinstance(kind, str):
        return plain(kind)
    if kind not in _KEPT:
        return kind
    kept = {name: schema[name] for name in _KEPT[kind] if name in schema}
    for part in ("items", "values"):
        if part in kept:
            kept[part] = plain(kept[part])
    if kind == "record":
        kept["fields"] = [_plain_field(field) for field in schema["fields"]]
    return kept


def _plain_field(field: dict[str, Any]) -> dict[str, Any]:
    kept = {name: field[name] for name in ("name", "aliases", "default") if name in field}
    return kept | {"type": plain(field["type"])}


def full_name(named: dict[str, Any], namespace: str) -> str:
    """Name of a record, enum or fixed, with the namespace that holds where it stands."""
    name: str = named["name"]
    space = named.get("namespace", namespace)
    return name if "." in name or not space else f"{space}.{name}"


def check_writer(schema: Schema) -> None:
    """Refuse what lets a few bytes cost much time or memory.

    A recursive type nests as deep as its bytes say; an array of items without bytes is as long as it says.

    Raises:
        IncompatibleSchemaError: the schema is not a record, is malformed, recursive, or too large.
    """
    if schema.get("type") != "record":
        msg = "the writer schema is not an Avro record"
        raise IncompatibleSchemaError(msg)
    try:
        _Measure().of(schema, "")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        msg = f"the writer schema is malformed: {error!r}"
        raise IncompatibleSchemaError(msg) from error


class _Measure:
    """Counts the types of a schema and the fewest bytes that a value of it takes."""

    def __init__(self) -> None:
        self._named: dict[str, tuple[int, int] | None] = {}

    def of(self, schema: Any, namespace: str) -> tuple[int, int]:
        """(types, fewest bytes) of one schema."""
        if isinstance(schema, list):
            return self._limited(1 + sum(self.of(branch, namespace)[0] for branch in schema), 1)
        if isinstance(schema, str):
            return self._reference(schema, namespace)
        kind = schema["type"]
        if kind in ("record", "enum", "fixed"):
            return self._name(schema, namespace)
        if kind in ("array", "map"):
            return self._repeated(schema, namespace)
        return self.of(kind, namespace)

    def _reference(self, name: str, namespace: str) -> tuple[int, int]:
        if name in PRIMITIVES:
            return 1, {"null": 0, "float": 4, "double": 8}.get(name, 1)
        known = self._named[full_name({"name": name}, namespace)]
        if known is None:
            msg = f"the writer schema's type {name} contains itself"
            raise IncompatibleSchemaError(msg)
        return known

    def _name(self, schema: Schema, namespace: str) -> tuple[int, int]:
        name = full_name(schema, namespace)
        self._named[name] = None
        measured = (1, int(schema.get("size", 1)))
        if schema["type"] == "record":
            measured = self._record(schema, name.rpartition(".")[0])
        self._named[name] = measured
        return measured

    def _record(self, schema: Schema, namespace: str) -> tuple[int, int]:
        parts = [self.of(field["type"], namespace) for field in schema["fields"]]
        return self._limited(1 + sum(part[0] for part in parts), sum(part[1] for part in parts))

    def _repeated(self, schema: Schema, namespace: str) -> tuple[int, int]:
        is_array = schema["type"] == "array"
        types, fewest = self.of(schema["items"] if is_array else schema["values"], namespace)
        if is_array and fewest <= 0:
            msg = "the writer schema has an array of items that take no bytes"
            raise IncompatibleSchemaError(msg)
        return self._limited(types + 1, 1)

    def _limited(self, types: int, fewest: int) -> tuple[int, int]:
        if types > MAX_NODES:
            msg = f"the writer schema has more than {MAX_NODES} types"
            raise IncompatibleSchemaError(msg)
        return types, fewest
