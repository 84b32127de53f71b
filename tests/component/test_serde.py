"""What a worker takes for a record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from agents.settings import load
from agents.transport.runs import Run
from agents.worker.serde import FLEET_DAYS, Serde
from pipeline.terms.fleet_day import BUCKETS, FleetDay, Ranked, Tally
from schemas.codec.batch import Batch
from schemas.codec.framing import Headers
from schemas.codec.rows import frame
from schemas.definitions import current
from schemas.errors import RegistryUnavailableError
from schemas.registry.source import FileRegistry, SchemaId
from schemas.topics import TOPICS
from schemas.validation import MAX_RECORD_BYTES
from tests.support.hostile import good_value

TOPIC = "usage.events"


def usage_of(size: int) -> bytes:
    """A good usage event of so many bytes."""
    bare = len(good_value(TOPIC, properties={"note": "x" * 1_000})) - 1_000
    value = good_value(TOPIC, properties={"note": "x" * (size - bare)})
    assert len(value) == size
    return value


@pytest.mark.parametrize(("over", "reasons"), [(0, []), (1, ["oversize"])])
def test_a_record_of_more_bytes_than_the_setting_allows_is_bad(over: int, reasons: list[str]) -> None:
    serde = Serde(FileRegistry(), "/foreshock/test", max_record_bytes=2_048)
    batch = serde.decode(Run(TOPIC, 0, 0, 1, 0, [0], [0], [b"victim"], [usage_of(2_048 + over)], [()]))
    assert [bad.reason for bad in batch.bad] == reasons


GUID = "89791762-2336-186f-9674-299b90a7a0c9"


class Guids(FileRegistry):
    """Knows one schema by its GUID."""

    def schema(self, schema_id: SchemaId) -> dict[str, Any]:
        return current(TOPICS[TOPIC].schema) if schema_id == GUID else super().schema(schema_id)


def decoded(values: Sequence[bytes], headers: Sequence[Headers]) -> Batch:
    """What a worker's decoder makes of records with headers; it asks the registry as often as it must."""
    count = len(values)
    serde = Serde(Asked(Guids()), "/foreshock/test")
    run = Run(TOPIC, 0, 0, count, 0, [*range(count)], [0] * count, [b"victim"] * count, [*values], [*headers])
    try:
        return serde.decode(run)
    except RegistryUnavailableError:
        serde.fetch_schemas()
        return serde.decode(run)


class Asked:
    """A registry that is a server to the worker."""

    def __init__(self, registry: FileRegistry) -> None:
        self.schema, self.schema_id = registry.schema, registry.schema_id


def named(schema: SchemaId) -> Headers:
    """The header that Confluent's clients write, beside one of the producer's."""
    said = b"\x00" + schema.to_bytes(4, "big") if isinstance(schema, int) else b"\x01" + UUID(schema).bytes
    return [("trace", b"17"), ("__value_schema_id", said)]


def test_schemas_that_headers_name_are_understood_beside_frames() -> None:
    framed = [good_value(TOPIC, event_id=f"e{number}") for number in range(4)]
    schema_id = int.from_bytes(framed[0][1:5], "big")
    values = [framed[0], framed[1][5:], framed[2][5:], framed[3]]
    batch = decoded(values, [(), named(GUID), named(schema_id), ()])
    assert not batch.bad
    assert batch.events.column("event_id").to_pylist() == ["e0", "e1", "e2", "e3"]
    assert batch.events.column("account_id").to_pylist() == ["victim"] * 4


@pytest.mark.parametrize(
    ("header", "reason", "detail"),
    [
        (named("00000000-0000-4000-8000-000000000001")[1][1], "unknown_schema", "00000000-0000-4000-8000-000000000001"),
        (named(4_000_000_000)[1][1], "unknown_schema", "4000000000"),
        (b"\x01short", "not_framed", "neither a zero byte and a schema id nor a one byte and a GUID"),
        (b"", "not_framed", "__value_schema_id"),
        (None, "not_framed", "__value_schema_id"),
    ],
)
def test_a_header_that_names_no_schema_we_can_have_is_said_so(header: bytes | None, reason: str, detail: str) -> None:
    batch = decoded([good_value(TOPIC)[5:], good_value(TOPIC)], [[("__value_schema_id", header)], ()])
    [bad] = batch.bad
    assert (bad.index, bad.reason) == (0, reason)
    assert detail in bad.detail
    assert len(batch.events) == 1


@pytest.mark.parametrize("schema_header", [(), named(GUID)], ids=["plain", "with a schema in a header"])
def test_json_in_the_binary_mode_of_cloudevents_is_read_as_json(schema_header: Headers) -> None:
    event = {"event_id": "e", "account_id": "victim", "occurred_at": 1_700_000_000_000, "feature": "home"}
    mode: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"17"),
        ("ce_source", b"/shop"),
        ("ce_type", b"usage"),
        ("content-type", b"application/json"),
    ]
    batch = decoded([json.dumps(event).encode()], [[*mode, *schema_header]])
    assert not batch.bad
    assert batch.events.column("event_id").to_pylist() == ["e"]
    assert batch.occurred_at_ms.tolist() == [1_700_000_000_000]


def test_a_thousand_unknown_schemas_are_asked_for_in_one_round() -> None:
    values = [frame(number) + good_value(TOPIC)[5:] for number in range(10**9, 10**9 + 1_000)]
    batch = decoded(values, [()] * len(values))
    assert {bad.reason for bad in batch.bad} == {"unknown_schema"}
    assert len(batch.bad) == 1_000


def test_without_a_setting_it_is_64_kib() -> None:
    assert load(None, {}).limits.record_bytes == MAX_RECORD_BYTES == 65_536


RANKED = {"silence": Ranked(30, 2, 1)}
LEVELLED = {None: (1, *[0] * 78, 4), "smb": (3, *[0] * 79)}


def test_a_fleet_record_is_read_as_it_was_written_by_its_own_deployment_alone() -> None:
    tallies: dict[str | None, Tally] = {
        None: Tally((1, *[0] * 48, 7, 2, *[0] * 50), 12_345, 2**40, (*[0] * 49, 10, *[0] * 51)),
        "smb": Tally((0,) * BUCKETS, 0, 0),
    }
    day = FleetDay(3, 19_999, 20_000, tallies, (1, 2**64 - 1), 4, 30, RANKED, LEVELLED, {"login": 3})
    serde, other = (Serde(FileRegistry(), f"/foreshock/{group}") for group in ("here", "there"))
    message = serde.fleet_day(day)
    assert (message.topic, message.partition, message.key) == (FLEET_DAYS, 0, b"3")
    assert serde.read_fleet_day(message.value or b"") == day
    assert other.read_fleet_day(message.value or b"") is None


def test_bytes_that_are_no_fleet_record_are_left_out() -> None:
    assert Serde(FileRegistry(), "/foreshock/here").read_fleet_day(b"nonsense") is None
