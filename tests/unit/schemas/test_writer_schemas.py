"""Writer schemas are input too."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import definitions
from schemas.avro import MAX_NODES, check_writer, plain
from schemas.codec.columnar import GroupDecoder
from schemas.errors import IncompatibleSchemaError


def _record(*fields: Any, name: str = "R") -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": f"f{place}", "type": field} for place, field in enumerate(fields)],
    }


def _doubling(levels: int) -> dict[str, Any]:
    """A record of 2^levels longs, in a few lines: each level holds the one below twice."""
    schema: Any = _record("long", name="L0")
    for level in range(1, levels + 1):
        schema = _record(schema, f"L{level - 1}", name=f"L{level}")
    return dict(schema)


def _nested(depth: int) -> dict[str, Any]:
    items: Any = "long"
    for _ in range(depth):
        items = {"type": "array", "items": items}
    return _record(items)


HOSTILE = {
    "contains itself": _record(["null", "R"]),
    "contains itself below": _record({"type": "array", "items": _record("R", name="S")}),
    "items without bytes": _record({"type": "array", "items": "null"}),
    "items of an empty record": _record({"type": "array", "items": _record(name="S")}),
    "items of no bytes": _record({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}),
    "doubling": _doubling(30),
    "too many": _record(*["long"] * MAX_NODES),
    "too deep": _nested(5_000),
    "unknown name": _record("Nothing"),
    "no name": {"type": "record", "fields": []},
    "no fields": {"type": "record", "name": "R"},
    "fields are numbers": {"type": "record", "name": "R", "fields": [1]},
    "a field whose name is no text": {"type": "record", "name": "R", "fields": [{"name": [], "type": "int"}]},
    "an enum": {"type": "enum", "name": "E", "symbols": ["A"]},
    "nothing": {},
    "a size that is none": _record({"type": "fixed", "name": "F", "size": "many"}),
}


@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_a_hostile_writer_schema_is_refused(case: str) -> None:
    with pytest.raises(IncompatibleSchemaError):
        GroupDecoder(HOSTILE[case], definitions.current("usage_event"))


@pytest.mark.parametrize("name", definitions.NAMES)
def test_our_own_schemas_are_not_refused(name: str) -> None:
    check_writer(definitions.current(name))


def test_a_type_may_be_used_twice() -> None:
    check_writer(_record(_record("long", name="S"), "S", {"type": "array", "items": "S"}))


def test_a_plain_schema_has_the_same_bytes_without_logical_types_and_docs() -> None:
    schema = _record({"type": "long", "logicalType": "timestamp-millis"}, ["null", {"type": "string"}])
    schema["doc"] = "what"
    assert plain(schema) == _record("long", ["null", "string"])
