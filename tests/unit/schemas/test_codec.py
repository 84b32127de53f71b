from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas.codec.batch import RecordKind
from schemas.codec.decode import Decoder
from schemas.codec.encode import TickEncoder
from schemas.errors import RegistryUnavailableError
from schemas.topics import INPUT_TOPICS, TICK_KEY, TOPICS
from tests.support.wire import (
    AT_MS,
    RECORDS,
    REGISTRY,
    TableRegistry,
    decoded,
    reasons,
    schema_of,
    value,
    written,
)

TICK = TickEncoder(REGISTRY).encode(AT_MS + 5, "billing")
MAPS = {"properties", "attributes"}


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_a_good_record_of_each_topic_comes_out_as_it_went_in(topic: str) -> None:
    batch = decoded(topic, [value(topic)])
    expected = {name: field for name, field in RECORDS[topic].items() if name not in MAPS}
    assert batch.events.to_pylist() == [expected]
    assert batch.kind.tolist() == [RecordKind.EVENT]
    assert batch.occurred_at_ms.tolist() == [AT_MS]
    assert batch.bad == []


def test_a_batch_knows_its_coordinates_and_its_original_bytes() -> None:
    good = value("usage.events")
    decoder = Decoder(TOPICS["usage.events"], REGISTRY)
    batch = decoder.decode(3, 5, 20, [7, 11], [1, 2], [b"acme", b"acme"], [good, b"?"])
    assert (batch.topic, batch.begin, batch.end) == ("usage.events", 5, 20)
    assert (batch.offsets.tolist(), batch.seen_at_ms.tolist()) == ([7, 11], [1, 2])
    assert (list(batch.keys), list(batch.raw)) == ([b"acme", b"acme"], [good, b"?"])
    assert len(batch) == 2


def test_an_empty_batch_has_the_columns_of_its_topic() -> None:
    batch = decoded("usage.events", [])
    assert (len(batch), batch.events.num_rows) == (0, 0)
    assert batch.events.schema == decoded("usage.events", [value("usage.events")]).events.schema


def test_a_missing_quantity_is_one() -> None:
    record = {name: field for name, field in RECORDS["usage.events"].items() if name != "quantity"}
    schema = schema_of("usage_event")
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "quantity"]
    decoder = Decoder(TOPICS["usage.events"], TableRegistry({90: schema}))
    batch = decoded("usage.events", [written(90, schema, record)] * 40, decoder=decoder)
    assert batch.events.column("quantity").to_pylist() == [1.0] * 40


BAD_VALUES = {
    "empty": (b"", "not_framed"),
    "four bytes": (b"\0\0\0\0", "not_framed"),
    "another magic byte": (b"\1" + value("usage.events")[1:], "not_framed"),
    "plain JSON": (b'{"event_id": "e"}', "malformed"),
    "frame only": (value("usage.events")[:5], "malformed"),
    "truncated": (value("usage.events")[:-1], "malformed"),
    "trailing bytes": (value("usage.events") + b"\0", "malformed"),
    "unknown schema": (b"\0\0\0\x7f\x7f" + value("usage.events")[5:], "unknown_schema"),
    "a record of another topic": (value("account.profiles"), "malformed|incompatible_schema"),
    "too long": (value("usage.events") + b"\0" * 65_536, "oversize"),
    "null": (None, "null_value"),
}


@pytest.mark.parametrize("case", sorted(BAD_VALUES))
@pytest.mark.parametrize("neighbours", [0, 1, 200])
def test_a_bad_value_is_isolated_whatever_stands_around_it(case: str, neighbours: int) -> None:
    bad, reason = BAD_VALUES[case]
    good = value("usage.events")
    batch = decoded("usage.events", [good] * neighbours + [bad] + [good] * neighbours)
    assert set(reasons(batch)) == {neighbours}
    assert reasons(batch)[neighbours] in reason.split("|")
    assert batch.kind[neighbours] == RecordKind.BAD
    assert batch.occurred_at_ms[neighbours] == 0
    assert batch.events.num_rows == 2 * neighbours
    assert (np.delete(batch.kind, neighbours) == RecordKind.EVENT).all()


# One for each reason and kind of rule, in numbers as the documentation has them; all bounds: test_one_validator.py.
BAD_FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("usage.events", {"event_id": ""}, "invalid_id"),
    ("usage.events", {"feature": "x" * 129}, "invalid_id"),
    ("usage.events", {"source": "x" * 1_025}, "invalid_text"),
    ("usage.events", {"quantity": float("nan")}, "invalid_quantity"),
    ("usage.events", {"quantity": 1e9 + 1}, "invalid_quantity"),
    ("usage.events", {"duration_ms": 10**12 + 1}, "invalid_quantity"),
    ("usage.events", {"occurred_at": -1}, "invalid_time"),
    ("usage.events", {"occurred_at": 1_700_000_000}, "invalid_time"),
    ("usage.events", {"occurred_at": 253_402_300_800_000}, "invalid_time"),
    ("billing.events", {"type": "invoice_lost"}, "invalid_type"),
    ("billing.events", {"amount_minor": -(10**15) - 1}, "invalid_value"),
    ("billing.events", {"seats_after": 10**9 + 1}, "invalid_value"),
    ("ticket.events", {"priority": "P1"}, "invalid_type"),
    ("ticket.events", {"sentiment": 1.5}, "invalid_value"),
    ("ticket.events", {"csat": 6}, "invalid_value"),
    ("customer.signals", {"scale": 0.0}, "invalid_value"),
    ("customer.signals", {"reason_codes": ["ok", "a\0"]}, "invalid_text"),
    ("account.profiles", {"updated_at": -1}, "invalid_time"),
]


@pytest.mark.parametrize(("topic", "changes", "reason"), BAD_FIELDS)
def test_a_field_out_of_bounds_makes_one_bad_record(topic: str, changes: dict[str, Any], reason: str) -> None:
    good = value(topic)
    batch = decoded(topic, [good, value(topic, **changes), good])
    assert reasons(batch) == {1: reason}
    assert batch.kind.tolist() == [RecordKind.EVENT, RecordKind.BAD, RecordKind.EVENT]
    assert batch.events.num_rows == 2
    assert next(iter(changes)) in batch.bad[0].detail


@pytest.mark.parametrize("account_id", ["", "x" * 129, "a\0b", "\0tick"])
def test_an_account_id_out_of_bounds_is_bad_even_if_the_key_agrees(account_id: str) -> None:
    batch = decoded("usage.events", [value("usage.events", account_id=account_id)], [account_id.encode()])
    assert reasons(batch) == {0: "invalid_id"}


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_the_ids_of_the_fleet_and_of_segments_are_no_accounts(topic: str) -> None:
    ids = ["fleet", "fleet:", "fleet:enterprise", "fleets", "Fleet", "my:fleet:1", "a-fleet"]
    keys = [account_id.encode() for account_id in ids]
    batch = decoded(topic, [value(topic, account_id=account_id) for account_id in ids], keys)
    assert reasons(batch) == dict.fromkeys((0, 1, 2), "reserved_id")
    assert batch.events.column("account_id").to_pylist() == ids[3:]
    if topic == "account.profiles":
        assert reasons(decoded(topic, [None] * len(ids), keys)) == dict.fromkeys((0, 1, 2), "reserved_id")


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_the_key_must_be_the_account_id(topic: str) -> None:
    keys = [b"acme", b"acne", None, b"", b"acme\0", b"\xff"]
    batch = decoded(topic, [value(topic)] * len(keys), keys)
    expected = dict.fromkeys(range(1, 6), "key_mismatch") | {2: "null_key"}
    assert reasons(batch) == expected
    assert batch.events.num_rows == 1


def test_keys_that_agree_only_when_joined_are_mismatches() -> None:
    values = [value("usage.events", account_id="ab"), value("usage.events", account_id="c")]
    assert reasons(decoded("usage.events", values, [b"a", b"bc"])) == dict.fromkeys((0, 1), "key_mismatch")


def test_a_null_value_is_a_tombstone_of_profiles_only() -> None:
    keys = [b"acme", None, b"", b"x" * 129, b"a\0", b"\xff\xfe"]
    batch = decoded("account.profiles", [None] * 6, keys)
    assert batch.kind.tolist() == [RecordKind.TOMBSTONE] + [RecordKind.BAD] * 5
    assert reasons(batch) == {1: "null_key"} | dict.fromkeys((2, 3, 4, 5), "invalid_id")
    assert reasons(decoded("ticket.events", [None])) == {0: "null_value"}


def test_a_profile_without_updated_at_has_time_zero() -> None:
    batch = decoded("account.profiles", [value("account.profiles", updated_at=None), None])
    assert batch.occurred_at_ms.tolist() == [0, 0]
    assert batch.kind.tolist() == [RecordKind.EVENT, RecordKind.TOMBSTONE]


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_ticks_stand_among_the_events_of_each_topic(topic: str) -> None:
    batch = decoded(topic, [value(topic), TICK, value(topic)], [b"acme", TICK_KEY, b"acme"])
    assert batch.kind.tolist() == [RecordKind.EVENT, RecordKind.TICK, RecordKind.EVENT]
    assert batch.occurred_at_ms.tolist() == [AT_MS, AT_MS + 5, AT_MS]
    assert batch.events.num_rows == 2


def test_a_tick_needs_its_key_and_a_time_within_bounds() -> None:
    late = TickEncoder(REGISTRY).encode(2**60, "x")
    batch = decoded("usage.events", [TICK, TICK, late, TICK[:-1]], [b"acme", None, TICK_KEY, TICK_KEY])
    assert reasons(batch) == {0: "key_mismatch", 1: "null_key", 2: "invalid_time", 3: "malformed"}


def test_records_of_several_writer_schemas_stay_in_order() -> None:
    newer = schema_of("usage_event")
    newer["fields"].insert(0, {"name": "trace", "type": "long"})
    decoder = Decoder(TOPICS["usage.events"], TableRegistry({90: newer}))
    records = [{**RECORDS["usage.events"], "event_id": f"e-{i}", "trace": i} for i in range(100)]
    values: list[bytes | None] = [
        written(90, newer, record) if i % 3 else value("usage.events", event_id=record["event_id"])
        for i, record in enumerate(records)
    ]
    values[50], values[51] = b"", TICK
    keys = [TICK_KEY if i == 51 else b"acme" for i in range(100)]
    batch = decoded("usage.events", values, keys, decoder)
    expected = [f"e-{i}" for i in range(100) if i not in (50, 51)]
    assert batch.events.column("event_id").to_pylist() == expected


def test_a_registry_that_is_down_condemns_no_record() -> None:
    decoder = Decoder(TOPICS["usage.events"], TableRegistry({}, unavailable=91))
    foreign = b"\0\0\0\0\x5b" + value("usage.events")[5:]
    with pytest.raises(RegistryUnavailableError):
        decoded("usage.events", [value("usage.events"), foreign], decoder=decoder)


def test_a_registry_that_is_down_does_not_matter_for_schemas_seen_before() -> None:
    registry = TableRegistry({90: schema_of("usage_event")})
    decoder = Decoder(TOPICS["usage.events"], registry)
    good = written(90, schema_of("usage_event"), RECORDS["usage.events"])
    assert decoded("usage.events", [good], decoder=decoder).bad == []
    registry._unavailable = 90
    assert decoded("usage.events", [good], decoder=decoder).bad == []


def test_the_first_reason_in_the_order_of_the_checks_is_given() -> None:
    bad = value("usage.events", event_id="", quantity=-1.0, occurred_at=-1)
    assert reasons(decoded("usage.events", [bad, bad, b"?"], [b"acme", b"other", None])) == {
        0: "invalid_id",
        1: "key_mismatch",
        2: "null_key",
    }
