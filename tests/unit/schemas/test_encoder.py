from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from schemas import definitions
from schemas.codec.encode import Encoder, RecordDecoder, TickEncoder
from schemas.codec.rows import unframe
from schemas.errors import EncodeError, MalformedError, UnknownSchemaError
from schemas.topics import INPUT_TOPICS, TOPICS
from tests.support.wire import AT_MS, RECORDS, REGISTRY, TableRegistry, schema_of, value, written


def _minimal(schema: Any, named: dict[str, Any] | None = None) -> Any:
    """A value of a schema: zeros, empty texts, one item a list, the second branch of a union."""
    named = {} if named is None else named
    if isinstance(schema, list):
        return _minimal(schema[1], named)
    if isinstance(schema, str):
        plain = {"string": "x", "bytes": b"\0\xff", "boolean": True, "double": 0.5}
        return _minimal(named[schema], named) if schema in named else plain.get(schema, 7)
    if schema["type"] == "record":
        named[schema["name"]] = schema
        return {field["name"]: _minimal(field["type"], named) for field in schema["fields"]}
    if schema["type"] == "array":
        return [_minimal(schema["items"], named)]
    if schema["type"] == "map":
        return {"k": _minimal(schema["values"], named)}
    return _minimal(schema["type"], named)


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_a_record_of_every_topic_is_read_as_it_was_written(topic: str) -> None:
    spec = TOPICS[topic]
    record = _minimal(definitions.current(spec.schema))
    encoded = Encoder(spec, REGISTRY).encode(record)
    assert RecordDecoder(spec.schema, REGISTRY).decode(encoded) == record


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_a_table_is_written_as_its_rows_are(topic: str) -> None:
    rows = [{**RECORDS[topic], "account_id": f"acme-{i}"} for i in range(5)]
    rows.append({name: field for name, field in rows[0].items() if field is not None})
    encoder = Encoder(TOPICS[topic], REGISTRY)
    columns = {name: pa.array([row.get(name) for row in rows], _arrow_type(topic, name)) for name in RECORDS[topic]}
    assert encoder.encode_table(pa.table(columns)) == [encoder.encode(row) for row in rows]


def _arrow_type(topic: str, name: str) -> pa.DataType | None:
    if name in ("properties", "attributes"):
        return pa.map_(pa.string(), pa.string())
    return None


def test_a_tables_missing_columns_and_nulls_become_defaults() -> None:
    names = ("event_id", "account_id", "feature", "occurred_at")
    rows = [{name: RECORDS["usage.events"][name] for name in names}] * 2
    encoder = Encoder(TOPICS["usage.events"], REGISTRY)
    sparse = pa.Table.from_pylist(rows)
    with_null = sparse.append_column("quantity", pa.array([None, 3.0]))
    assert encoder.encode_table(sparse) == [encoder.encode(row) for row in rows]
    assert encoder.encode_table(with_null) == [
        encoder.encode({**rows[0], "quantity": quantity}) for quantity in (1.0, 3.0)
    ]


def test_a_tables_times_may_be_timestamps_and_its_texts_dictionaries() -> None:
    encoder = Encoder(TOPICS["usage.events"], REGISTRY)
    table = pa.Table.from_pylist([{k: v for k, v in RECORDS["usage.events"].items() if k != "properties"}])
    at = table.column("occurred_at").cast(pa.timestamp("ms")).cast(pa.timestamp("us", "UTC"))
    changed = table.set_column(table.column_names.index("occurred_at"), "occurred_at", at)
    feature = table.column("feature").dictionary_encode()
    changed = changed.set_column(table.column_names.index("feature"), "feature", feature)
    assert encoder.encode_table(changed) == encoder.encode_table(table)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature": None}, "has nulls"),
        ({"quantity": pa.array(["much"])}, "quantity does not fit"),
        ({"colour": pa.array(["red"])}, "no field colour"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    table = pa.Table.from_pylist([{k: v for k, v in RECORDS["usage.events"].items() if k != "properties"}])
    for name, column in changes.items():
        replaced = pa.nulls(1, pa.string()) if column is None else column
        table = table.drop_columns([name]) if name in table.column_names else table
        table = table.append_column(name, replaced)
    with pytest.raises(EncodeError, match=message):
        Encoder(TOPICS["usage.events"], REGISTRY).encode_table(table)


def test_a_table_without_a_required_column_is_refused() -> None:
    with pytest.raises(EncodeError, match=r"event_id of usage_event\.avsc is missing"):
        Encoder(TOPICS["usage.events"], REGISTRY).encode_table(pa.table({"account_id": ["a"]}))


def test_a_tables_int_beyond_32_bits_is_refused() -> None:
    table = pa.Table.from_pylist([{"account_id": "acme", "seats": 2**31}])
    with pytest.raises(EncodeError, match="seats has a number beyond 32 bits"):
        Encoder(TOPICS["account.profiles"], REGISTRY).encode_table(table)


@pytest.mark.parametrize(
    "changes",
    [
        {"feature": None},
        {"feature": 5},
        {"quantity": "much"},
        {"colour": "red"},
        {"occurred_at": "2024-01-01"},
        {"event_id": "\ud800"},
        {"duration_ms": 2**70},
    ],
)
def test_a_record_that_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EncodeError, match=r"usage_event\.avsc"):
        value("usage.events", **changes)


def test_a_records_int_beyond_32_bits_is_refused() -> None:
    with pytest.raises(EncodeError, match=r"account_profile\.avsc"):
        value("account.profiles", seats=2**31)


def test_a_record_without_a_required_field_is_refused() -> None:
    with pytest.raises(EncodeError):
        Encoder(TOPICS["usage.events"], REGISTRY).encode({"event_id": "e"})


def test_a_tick_carries_a_time_and_who_says_so() -> None:
    encoded = TickEncoder(REGISTRY).encode(AT_MS, "billing")
    expected = {"at_ms": AT_MS, "source": "billing"}
    assert RecordDecoder("clock_tick", REGISTRY).decode(encoded) == expected
    assert unframe(encoded)[0] == definitions.released_ids()["clock_tick"][1]


def test_a_single_record_is_read_with_the_schema_that_wrote_it() -> None:
    older = schema_of("dead_letter")
    older["fields"] = [field for field in older["fields"] if field["name"] != "key"]
    record = {
        "topic": "usage.events",
        "partition": 1,
        "offset": 2,
        "reason": "malformed",
        "detail": "",
        "value": b"\0",
        "seen_at": AT_MS,
    }
    decoder = RecordDecoder("dead_letter", TableRegistry({90: older}))
    assert decoder.decode(written(90, older, record)) == {**record, "key": None}


GOOD = value("usage.events")


@pytest.mark.parametrize("broken", [b"", b"\1\0\0\0\1", GOOD[:-1], GOOD + b"x"])
def test_a_broken_single_record_is_refused(broken: bytes) -> None:
    with pytest.raises(MalformedError):
        RecordDecoder("usage_event", REGISTRY).decode(broken)


def test_a_single_record_of_an_unknown_schema_is_refused() -> None:
    with pytest.raises(UnknownSchemaError):
        RecordDecoder("usage_event", REGISTRY).decode(b"\0\0\0\x7f\x7f" + b"x")
