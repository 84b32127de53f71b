from __future__ import annotations

import copy
from io import BytesIO
from typing import Any

import fastavro
import fastavro.utils
import pytest

from schemas import definitions
from schemas.registry.compatibility import check_all, check_released, incompatibilities


def _record(*fields: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields), **attributes}


def _field(kind: Any, name: str = "a", **attributes: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **attributes}


def _enum(*symbols: str, **attributes: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **attributes}


TS_MS = {"type": "long", "logicalType": "timestamp-millis"}
TS_US = {"type": "long", "logicalType": "timestamp-micros"}
INNER = _record(_field("int", "x"), name="S")
INNER_WITH = _record(_field("int", "x"), _field("int", "y"), name="S")
INNER_DEFAULT = _record(_field("int", "x"), _field("int", "y", default=0), name="S")
LINKED = _record(_field("int", "x"), _field(["null", "S"], "next", default=None), name="S")

# reader, writer
READABLE = {
    "the same": (_field("string"), _field("string")),
    "int to long": (_field("long"), _field("int")),
    "int to double": (_field("double"), _field("int")),
    "long to float": (_field("float"), _field("long")),
    "float to double": (_field("double"), _field("float")),
    "string to bytes": (_field("bytes"), _field("string")),
    "bytes to string": (_field("string"), _field("bytes")),
    "to optional": (_field(["null", "string"]), _field("string")),
    "to optional by promotion": (_field(["null", "double"]), _field("long")),
    "more branches": (_field(["null", "int", "string"]), _field(["null", "int"])),
    "branches in another order": (_field(["string", "null"]), _field(["null", "string"])),
    "a union of one": (_field("string"), _field(["string"])),
    "renamed with alias": (_field("string", "b", aliases=["a"]), _field("string")),
    "more symbols": (_field(_enum("A", "B")), _field(_enum("A"))),
    "fewer symbols with default": (_field(_enum("A", default="A")), _field(_enum("A", "B"))),
    "items promoted": (
        _field({"type": "array", "items": "long"}),
        _field({"type": "array", "items": "int"}),
    ),
    "values promoted": (
        _field({"type": "map", "values": ["null", "long"]}),
        _field({"type": "map", "values": "int"}),
    ),
    "nested field with default": (_field(INNER_DEFAULT), _field(INNER)),
    "nested field dropped": (_field(INNER), _field(INNER_WITH)),
    "nested namespaces differ": (_field({**INNER, "namespace": "p"}), _field({**INNER, "namespace": "q"})),
    "nested renamed with alias": (_field({**INNER, "name": "T", "aliases": ["S"]}), _field(INNER)),
    "recursive": (_field(LINKED), _field(LINKED)),
    "a bare long as a time": (_field(TS_MS), _field("long")),
    "fixed of the same size": (
        _field({"type": "fixed", "name": "F", "size": 4}),
        _field({"type": "fixed", "name": "F", "size": 4}),
    ),
}
UNREADABLE = {
    "long to int": (_field("int"), _field("long")),
    "double to float": (_field("float"), _field("double")),
    "string to int": (_field("int"), _field("string")),
    "int to string": (_field("string"), _field("int")),
    "from optional": (_field("string"), _field(["null", "string"])),
    "fewer branches": (_field(["null", "int"]), _field(["null", "int", "string"])),
    "no branch": (_field(["null", "int"]), _field("string")),
    "renamed without alias": (_field("string", "b"), _field("string")),
    "fewer symbols": (_field(_enum("A")), _field(_enum("A", "B"))),
    "enum to string": (_field("string"), _field(_enum("A"))),
    "another enum": (_field({**_enum("A"), "name": "G"}), _field(_enum("A"))),
    "items of another type": (
        _field({"type": "array", "items": "int"}),
        _field({"type": "array", "items": "string"}),
    ),
    "values demoted": (
        _field({"type": "map", "values": "int"}),
        _field({"type": "map", "values": "long"}),
    ),
    "array to map": (
        _field({"type": "map", "values": "int"}),
        _field({"type": "array", "items": "int"}),
    ),
    "nested field without default": (_field(INNER_WITH), _field(INNER)),
    "nested renamed": (_field({**INNER, "name": "T"}), _field(INNER)),
    "nested in an optional": (_field(["null", INNER_WITH]), _field(["null", INNER])),
    "time in another unit": (_field(TS_MS), _field(TS_US)),
    "fixed of another size": (
        _field({"type": "fixed", "name": "F", "size": 4}),
        _field({"type": "fixed", "name": "F", "size": 5}),
    ),
}


@pytest.mark.parametrize("case", sorted(READABLE))
def test_what_can_be_read_is_compatible(case: str) -> None:
    reader, writer = READABLE[case]
    assert incompatibilities(_record(reader), _record(writer)) == []


@pytest.mark.parametrize("case", sorted(READABLE))
def test_what_is_compatible_is_read_by_fastavro(case: str) -> None:
    reader, writer = (fastavro.parse_schema(copy.deepcopy(_record(field))) for field in READABLE[case])
    # Of any bytes, most are no text.
    text = [{"a": b"text"}]
    for record in text if case == "bytes to string" else fastavro.utils.generate_many(writer, 5):
        stream = BytesIO()
        fastavro.schemaless_writer(stream, writer, record)
        stream.seek(0)
        assert isinstance(fastavro.schemaless_reader(stream, writer, reader), dict)


@pytest.mark.parametrize("case", sorted(UNREADABLE))
def test_what_cannot_be_read_is_named_with_its_path(case: str) -> None:
    reader, writer = UNREADABLE[case]
    problems = incompatibilities(_record(reader), _record(writer))
    assert len(problems) == 1
    assert problems[0].startswith(("R.a", "R.b"))


def test_a_new_field_needs_a_default() -> None:
    written = _record(_field("string"))
    assert incompatibilities(_record(_field("string"), _field("int", "n", default=0)), written) == []
    assert incompatibilities(_record(_field("string"), _field("int", "n")), written) == [
        "R.n: is missing in the writer and has no default"
    ]


def test_every_problem_is_listed() -> None:
    reader = _record(_field("int", "a"), _field("int", "b"), _field("int", "c"))
    assert len(incompatibilities(reader, _record(_field("string", "a"), _field("long", "b")))) == 3


def test_a_difference_inside_a_recursive_type_is_found() -> None:
    grown = {**LINKED, "fields": [*LINKED["fields"], _field("int", "z")]}
    assert len(incompatibilities(_record(_field(grown)), _record(_field(LINKED)))) == 1


def test_current_schemas_read_all_released_versions() -> None:
    assert check_all() == []


@pytest.mark.parametrize("name", definitions.NAMES)
def test_every_schema_has_a_released_version(name: str) -> None:
    assert definitions.released(name)
    assert check_released(name) == []
