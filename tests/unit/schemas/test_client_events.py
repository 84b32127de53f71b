"""What the client makes of keyword arguments, and what it refuses, in words."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from schemas.client.events import PSEUDONYM_KEY, TOPIC_OF, EventError, EventWriter, new_id, pseudonyms
from schemas.errors import UsageError
from schemas.registry.source import FileRegistry
from schemas.topics import TOPICS
from schemas.validation import EVENT_TIME, row_is_valid
from tests.support.wire import RECORDS

NOW = 1_790_000_000_000
GOOD: Mapping[str, Any] = {"account_id": "acme", "user_id": "u1", "feature": "export"}
SIGNAL: Mapping[str, Any] = {"account_id": "acme", "type": "nps"}


def writer(method: str = "usage") -> EventWriter:
    return EventWriter(method, FileRegistry(), None)


def written(method: str, **fields: Any) -> dict[str, Any]:
    made = writer(method).write(fields, NOW)
    return writer(method).read(made.event.value)


@pytest.mark.parametrize("method", TOPIC_OF)
def test_a_record_of_every_topic_is_written_as_it_was_given_and_keyed_by_account(method: str) -> None:
    topic = TOPIC_OF[method]
    record = {**RECORDS[topic], EVENT_TIME[TOPICS[topic].schema]: NOW}
    made = writer(method).write(record, NOW)
    assert (made.event.topic, made.event.key) == (topic, record["account_id"].encode())
    assert made.event_id == record.get("event_id", "")
    assert writer(method).read(made.event.value) == record
    assert made.event.value[:5] == b"\0" + FileRegistry().schema_id(TOPICS[topic]).to_bytes(4, "big")


def test_what_is_left_out_is_made_or_has_its_default_and_is_valid() -> None:
    record = written("usage", **GOOD, role=None)
    assert (record["occurred_at"], record["quantity"], record["role"]) == (NOW, 1.0, None)
    assert row_is_valid("usage_event", record)
    assert written("profile", account_id="acme")["updated_at"] == NOW


def test_ids_are_uuids_of_version_7_in_order_of_time() -> None:
    made = UUID(new_id(NOW))
    assert (made.version, made.variant, made.int >> 80) == (7, UUID(int=1 << 63).variant, NOW)
    assert new_id(NOW) < new_id(NOW + 1)
    assert len({new_id(NOW) for _ in range(1000)}) == 1000


def test_a_time_may_be_a_datetime_of_any_zone() -> None:
    at = datetime(2026, 9, 21, 14, 13, 20, 999_999, tzinfo=UTC)
    assert written("usage", **GOOD, occurred_at=at)["occurred_at"] == NOW + 999
    east = at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert written("usage", **GOOD, occurred_at=east)["occurred_at"] == NOW + 999


@pytest.mark.parametrize(
    ("method", "given", "said"),
    [
        ("usage", {"account_id": "acme"}, "feature: missing. Part of the product that was used."),
        ("usage", {**GOOD, "usr_id": "x"}, "usr_id: not known, did you mean user_id?"),
        ("usage", {**GOOD, "zzz": "x"}, "zzz: not known; there are event_id, account_id, user_id"),
        ("usage", {**GOOD, "user_id": ""}, "user_id: not 1 to 128 bytes without NUL. May be a pseudonym"),
        ("usage", {**GOOD, "user_id": "é" * 65}, "user_id: not 1 to 128 bytes"),
        ("usage", {**GOOD, "user_id": 7}, "user_id: a int, not a text"),
        ("usage", {**GOOD, "account_id": "fleet:eu"}, "account_id: reserved: fleet"),
        ("usage", {**GOOD, "quantity": True}, "quantity: a bool, not a number"),
        ("usage", {**GOOD, "quantity": float("nan")}, "quantity: not between 0 and 1,000,000,000"),
        ("usage", {**GOOD, "properties": {"a": 1}}, "properties: a dict, not a dictionary of texts"),
        ("usage", {**GOOD, "feature": "\ud800"}, "a text is no Unicode"),
        ("usage", {**GOOD, "properties": {"\ud800": "x"}}, "usage"),
        ("usage", {**GOOD, "properties": {"a": "x" * 70_000}}, "workers take 65,536; leave properties out"),
        (
            "usage",
            {**GOOD, "occurred_at": NOW // 1000},
            "occurred_at: lies in 1970: seconds instead of milliseconds?",
        ),
        ("usage", {**GOOD, "occurred_at": datetime(2026, 1, 1)}, "without a time zone; use"),  # noqa: DTZ001 - the point
        (
            "usage",
            {**GOOD, "occurred_at": NOW + 600_001},
            "in the future: later than 2026-09-21T14:23:20Z",
        ),
        ("billing", {"account_id": "a", "type": "paid", "currency": "EUR"}, "type: not one of invoice_issued, "),
        ("signal", {**SIGNAL, "score": 11}, "score: not on the scale"),
        ("signal", {**SIGNAL, "reason_codes": "price"}, "reason_codes: a str, not a list of texts"),
    ],
)
def test_an_error_names_the_field_and_says_what_to_do(method: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(EventError, match=rf"^{method}[.:]") as caught:
        writer(method).write(given, NOW)
    assert said in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(EventError, match=r"usage.feature: missing.*; usage.usr_id: not known"):
        writer().write({"account_id": "acme", "usr_id": "x"}, NOW)


def test_a_user_has_the_same_pseudonym_in_every_field_that_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PSEUDONYM_KEY, "a secret of sixteen bytes")
    expected = hmac.new(b"a secret of sixteen bytes", b"ann@example.org", hashlib.sha256).hexdigest()
    for method, field, more in (
        ("usage", "user_id", {"feature": "export"}),
        ("ticket", "requester_id", {"ticket_id": "1", "type": "opened", "priority": "p3"}),
        ("signal", "contact_id", {"type": "champion_left"}),
    ):
        one = EventWriter(method, FileRegistry(), pseudonyms())
        value = one.write({"account_id": "acme", field: "ann@example.org", **more}, NOW).event.value
        assert one.read(value)[field] == expected
        assert b"ann" not in value


@pytest.mark.parametrize("key", ["", "short"])
def test_without_a_proper_key_there_are_no_pseudonyms(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PSEUDONYM_KEY, key)
    with pytest.raises(UsageError, match=f"set {PSEUDONYM_KEY} to a secret of 16 bytes or more") as caught:
        pseudonyms()
    assert key == "" or key not in str(caught.value)
