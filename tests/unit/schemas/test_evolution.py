"""Records of other writer schemas, read with ours."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline.terms.arrays import I64
from schemas.codec.columnar import GroupDecoder
from schemas.codec.decode import Decoder
from schemas.topics import TOPICS
from tests.support.wire import AT_MS, RECORDS, TableRegistry, decoded, reasons, schema_of, written

if TYPE_CHECKING:
    from schemas.definitions import Schema

MANY = 40
"""Enough records for the columnar decoder to be asked."""


def _changed(name: str, **types: Any) -> Schema:
    """A schema with other types for some fields; None drops the field."""
    schema = schema_of(name)
    schema["fields"] = [
        {"name": field["name"], "type": types.get(field["name"], field["type"])}
        for field in schema["fields"]
        if types.get(field["name"], "") is not None
    ]
    return schema


def _read(topic: str, writer: Schema, record: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """What is read of a record, the same alone and in a run, and how many were read one by one."""
    decoder = Decoder(TOPICS[topic], TableRegistry({90: writer}))
    value = written(90, writer, record)
    alone = decoded(topic, [value], decoder=decoder)
    assert alone.bad == []
    before = decoder.slow_records
    run = decoded(topic, [value] * MANY, decoder=decoder)
    assert run.bad == []
    assert run.events.to_pylist() == alone.events.to_pylist() * MANY
    return alone.events.to_pylist()[0], decoder.slow_records - before


def _expected(topic: str, **changes: Any) -> dict[str, Any]:
    record = {**RECORDS[topic], **changes}
    return {name: field for name, field in record.items() if name not in ("properties", "attributes")}


def test_fields_that_we_do_not_know_are_dropped() -> None:
    writer = schema_of("usage_event")
    writer["fields"].insert(2, {"name": "tenant", "type": "string"})
    writer["fields"].append({"name": "weights", "type": ["null", "double"]})
    record = {**RECORDS["usage.events"], "tenant": "t", "weights": 0.5}
    assert _read("usage.events", writer, record) == (_expected("usage.events"), 0)


def test_fields_that_the_writer_does_not_know_get_their_defaults() -> None:
    writer = _changed("usage_event", quantity=None, user_id=None, role=None)
    expected = _expected("usage.events", quantity=1.0, user_id=None, role=None)
    assert _read("usage.events", writer, RECORDS["usage.events"]) == (expected, 0)


def test_a_field_without_default_that_the_writer_does_not_know_makes_every_record_bad() -> None:
    writer = _changed("usage_event", feature=None)
    decoder = Decoder(TOPICS["usage.events"], TableRegistry({90: writer}))
    value = written(90, writer, RECORDS["usage.events"])
    batch = decoded("usage.events", [value] * MANY, decoder=decoder)
    assert set(reasons(batch).values()) == {"incompatible_schema"}
    assert len(batch.bad) == MANY


@pytest.mark.parametrize(("kind", "given"), [("int", 3), ("long", 2**53 + 1), ("float", 0.5), ("double", 0.1)])
def test_numbers_are_promoted(kind: str, given: float) -> None:
    record = {**RECORDS["usage.events"], "quantity": given}
    decoder = GroupDecoder(_changed("usage_event", quantity=kind), schema_of("usage_event"))
    body = written(0, _changed("usage_event", quantity=kind), record)[5:]
    for count in (1, MANY):
        rows = decoder.decode([body] * count, _sizes(body, count)).columns.to_pylist()
        assert [row["quantity"] for row in rows] == [float(given)] * count


def _sizes(body: bytes, count: int) -> I64:
    return np.full(count, len(body), dtype=np.int64)


def test_an_int_is_promoted_to_a_long_time() -> None:
    writer = _changed("usage_event", duration_ms=["null", "int"])
    assert _read("usage.events", writer, RECORDS["usage.events"]) == (_expected("usage.events"), 0)


def test_the_order_of_fields_and_of_the_branches_of_a_union_does_not_matter() -> None:
    writer = _changed("usage_event", user_id=["string", "null"], duration_ms=["long", "null"])
    writer["fields"].reverse()
    assert _read("usage.events", writer, RECORDS["usage.events"]) == (_expected("usage.events"), 0)


def test_a_writer_that_requires_what_we_make_optional_is_read() -> None:
    writer = _changed("usage_event", user_id="string", source="string")
    assert _read("usage.events", writer, RECORDS["usage.events"]) == (_expected("usage.events"), 0)


def test_a_writer_that_makes_optional_what_we_require_is_read_record_by_record() -> None:
    writer = _changed("usage_event", feature=["null", "string"])
    expected = _expected("usage.events")
    assert _read("usage.events", writer, RECORDS["usage.events"]) == (expected, MANY)
    decoder = Decoder(TOPICS["usage.events"], TableRegistry({90: writer}))
    without = written(90, writer, {**RECORDS["usage.events"], "feature": None})
    good = written(90, writer, RECORDS["usage.events"])
    batch = decoded("usage.events", [good, without, good], decoder=decoder)
    assert reasons(batch) == {1: "incompatible_schema"}


def test_null_is_the_default_where_we_have_one() -> None:
    writer = _changed("usage_event", quantity=["null", "double"])
    assert _read("usage.events", writer, RECORDS["usage.events"]) == (_expected("usage.events"), 0)
    without = {**RECORDS["usage.events"], "quantity": None}
    assert _read("usage.events", writer, without) == (_expected("usage.events", quantity=1.0), 0)


@pytest.mark.parametrize("nullable", [False, True])
def test_an_enum_is_read_as_its_symbol(nullable: bool) -> None:
    record = RECORDS["ticket.events"]
    kinds = {"type": "enum", "name": "Kind", "symbols": sorted({"closed", "opened", record["type"]})}
    priorities = {"type": "enum", "name": "Priority", "symbols": ["p1", "p2", "p3", "p4"]}
    writer = _changed("ticket_event", type=kinds, priority=["null", priorities] if nullable else priorities)
    given = {**record, "priority": "p2"}
    assert _read("ticket.events", writer, given)[0] == _expected("ticket.events", priority="p2")
    if nullable:
        given = {**record, "priority": None}
        assert _read("ticket.events", writer, given)[0] == _expected("ticket.events", priority=None)


@pytest.mark.parametrize("kind", ["int", ["null", "int"], {"type": "int", "logicalType": "date"}])
def test_a_time_as_int_is_refused(kind: Any) -> None:
    writer = _changed("usage_event", occurred_at=kind)
    decoder = Decoder(TOPICS["usage.events"], TableRegistry({90: writer}))
    value = written(90, _changed("usage_event", occurred_at="int"), {**RECORDS["usage.events"], "occurred_at": 17})
    batch = decoded("usage.events", [value], decoder=decoder)
    assert reasons(batch) == {0: "incompatible_schema"}
    assert "occurred_at as int" in batch.bad[0].detail


def test_a_team_may_name_its_record_as_it_likes() -> None:
    writer = {**schema_of("usage_event"), "name": "Clicked", "namespace": "com.acme.web"}
    assert _read("usage.events", writer, RECORDS["usage.events"]) == (_expected("usage.events"), 0)


def test_types_without_columns_are_skipped_record_by_record() -> None:
    writer = schema_of("usage_event")
    extra = {"type": "record", "name": "Device", "fields": [{"name": "os", "type": "string"}]}
    kind = {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}
    writer["fields"][:0] = [{"name": "device", "type": extra}, {"name": "kind", "type": kind}]
    writer["fields"] += [{"name": "other", "type": ["null", "Device"]}, {"name": "uid", "type": "bytes"}]
    extras = {"device": {"os": "x"}, "kind": "B", "other": {"os": "y"}, "uid": b"\0"}
    record = {**RECORDS["usage.events"], **extras}
    assert _read("usage.events", writer, record) == (_expected("usage.events"), MANY)


def test_an_array_in_several_blocks_is_read() -> None:
    schema = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "tags", "type": {"type": "array", "items": "string"}}],
    }
    decoder = GroupDecoder(schema, copy.deepcopy(schema))
    # one item with its size in bytes, then one without, then the end
    body = b"\x01\x04\x02a" + b"\x02\x02b" + b"\x00"
    decoded_rows = decoder.decode([body] * MANY, _sizes(body, MANY)).columns.to_pylist()
    assert decoded_rows == [{"tags": ["a", "b"]}] * MANY


def test_a_time_in_another_unit_is_refused() -> None:
    writer = _changed("usage_event", occurred_at={"type": "long", "logicalType": "timestamp-micros"})
    decoder = Decoder(TOPICS["usage.events"], TableRegistry({90: writer}))
    value = written(90, writer, {**RECORDS["usage.events"], "occurred_at": AT_MS * 1_000})
    batch = decoded("usage.events", [value], decoder=decoder)
    assert reasons(batch) == {0: "incompatible_schema"}
    assert "timestamp-micros" in batch.bad[0].detail


def test_logical_types_that_we_do_not_read_do_not_disturb() -> None:
    writer = schema_of("usage_event")
    writer["fields"].append({"name": "uid", "type": {"type": "string", "logicalType": "uuid"}})
    writer["fields"].append({"name": "on", "type": {"type": "int", "logicalType": "date"}})
    record = {**RECORDS["usage.events"], "uid": "not a uuid", "on": 2**31 - 1}
    plain = copy.deepcopy(writer)
    plain["fields"][-2]["type"], plain["fields"][-1]["type"] = "string", "int"
    decoder = Decoder(TOPICS["usage.events"], TableRegistry({90: writer}))
    batch = decoded("usage.events", [written(90, plain, record)] * MANY, decoder=decoder)
    assert (batch.bad, batch.events.num_rows, decoder.slow_records) == ([], MANY, 0)
