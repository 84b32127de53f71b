"""JSON objects beside Avro: the same fields under the same rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.topics import INPUT_TOPICS
from tests.support.wire import AT_MS, RECORDS, decoded, reasons, value

USAGE = "usage.events"


def bytes_of(topic: str, **changes: Any) -> bytes:
    return json.dumps({**RECORDS[topic], **changes}).encode()


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_json_means_what_avro_means(topic: str) -> None:
    event = {"specversion": "1.0", "id": "1", "type": "t", "source": "/s", "data": RECORDS[topic]}
    values = [value(topic), bytes_of(topic), json.dumps(event).encode(), value(topic)]
    batch = decoded(topic, values)
    assert batch.bad == []
    rows = batch.events.to_pylist()
    assert rows == [rows[0]] * 4
    assert batch.occurred_at_ms.tolist() == [AT_MS] * 4


def test_what_is_left_out_or_null_is_the_default() -> None:
    record = {name: RECORDS[USAGE][name] for name in ("event_id", "account_id", "feature", "occurred_at")}
    batch = decoded(USAGE, [json.dumps(record | more).encode() for more in ({}, {"quantity": None, "user_id": None})])
    assert batch.bad == []
    assert batch.events.column("quantity").to_pylist() == [1.0, 1.0]
    assert batch.events.column("user_id").to_pylist() == [None, None]


def test_an_event_may_have_a_property_that_is_named_like_an_envelopes() -> None:
    batch = decoded(USAGE, [bytes_of(USAGE, properties={"specversion": "2"})])
    assert batch.bad == []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{no JSON at all}", "malformed"),
        (b'{"a":' + b"[" * 60_000, "malformed"),
        (b'{"account_id": "acme"}', "malformed"),
        (b"[" + bytes_of(USAGE) + b"]", "not_framed"),
        (bytes_of(USAGE) + bytes_of(USAGE), "malformed"),
        (bytes_of(USAGE, occurred_at="2024-01-01"), "malformed"),
        (bytes_of(USAGE, duration_ms=2**64), "malformed"),
        (bytes_of(USAGE, quantity="3"), "malformed"),
        (bytes_of(USAGE, quantity=-1), "invalid_quantity"),
        (bytes_of(USAGE, account_id="other"), "key_mismatch"),
        (bytes_of(USAGE, feature="\x00"), "invalid_id"),
        (bytes_of(USAGE, feature="\ud800"), "malformed"),
        (json.dumps({"specversion": "1.0", "data": 7}).encode(), "malformed"),
    ],
)
def test_a_bad_object_is_one_dead_letter_and_its_neighbours_are_read(bad: bytes, reason: str) -> None:
    batch = decoded(USAGE, [bytes_of(USAGE), bad, value(USAGE)])
    assert reasons(batch) == {1: reason}
    assert batch.events.num_rows == 2
