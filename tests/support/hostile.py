"""Records that nobody should be able to hurt a worker with, and a naive judge of which records those are."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import chain, islice
from typing import Any

import fastavro
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from schemas import definitions
from schemas.avro import plain
from schemas.codec.rows import frame
from schemas.rules import Text
from schemas.topics import CLOCK_TICKS, INPUT_TOPICS, TICK_KEY, TOPICS
from schemas.validation import EVENT_TIME, RULES
from tests.support.bounds import broken_fields, edges
from tests.support.wire import REGISTRY
from tests.support.wire import value as wire_value

LIMIT_BYTES = 65_536
_IDS = {topic: REGISTRY.schema_id(TOPICS[topic]) for topic in INPUT_TOPICS}
_TICK_ID = REGISTRY.schema_id(CLOCK_TICKS)


@dataclass(frozen=True, slots=True)
class Hostile:
    """A record that must become one dead letter and nothing else."""

    topic: str
    key: bytes | None
    value: bytes | None
    how: str


def good_value(topic: str, **changes: Any) -> bytes:
    """The good record of a topic with changes, framed."""
    return wire_value(topic, **{"account_id": "victim", **changes})


def is_sound(topic: str, key: bytes | None, value: bytes | None, seen_at_ms: int) -> bool:
    """Whether the record may be applied: one at a time, field by field, in plain Python."""
    if value is None:
        return topic == "account.profiles" and key is not None and _is_text(key, 1, 128)
    if key is None or not 5 <= len(value) <= LIMIT_BYTES or value[0] != 0:
        return False
    schema_id = int.from_bytes(value[1:5], "big")
    name = {_IDS[topic]: TOPICS[topic].schema, _TICK_ID: CLOCK_TICKS.schema}.get(schema_id)
    record = None if name is None else _read(name, value[5:])
    if name is None or record is None or not _within_rules(name, record):
        return False
    expected = TICK_KEY if name == CLOCK_TICKS.schema else record["account_id"].encode()
    at_ms = record[EVENT_TIME[name]] or 0
    return bool(key == expected and at_ms <= seen_at_ms + 600_000)


def corpus(count: int, seen_at_ms: int, number: int = 7) -> list[Hostile]:
    """So many hostile records, the same for the same number: spoilt good ones first, then drawn ones."""
    spoilt = [each for topic in INPUT_TOPICS for each in _spoilt(topic)]
    made = chain(spoilt, _drawn(count + 1_000 - min(count, len(spoilt)), number))
    bad = (each for each in made if not is_sound(each.topic, each.key, each.value, seen_at_ms))
    records = list(islice(bad, count))
    assert len(records) == count, len(records)
    return records


def _drawn(count: int, number: int) -> list[Hostile]:
    """Records that Hypothesis makes up: raw bytes, framed bytes, and good records with a part replaced."""
    found: list[Hostile] = []

    @seed(number)
    @settings(max_examples=count // 20, database=None, phases=[Phase.generate], deadline=None)
    @given(st.lists(_strange(), min_size=20, max_size=20))
    def collect(strange: list[Hostile]) -> None:
        found.extend(strange)

    collect()
    return found


@st.composite
def _strange(draw: st.DrawFn) -> Hostile:
    topic = draw(st.sampled_from(INPUT_TOPICS))
    good, key = good_value(topic), b"victim"
    way = draw(st.sampled_from(["bytes", "framed", "replaced", "replaced", "key"]))
    if way == "bytes":
        return Hostile(topic, key, draw(st.binary(max_size=80)), way)
    if way == "framed":
        schema_id = draw(st.sampled_from([_IDS[topic], _TICK_ID, 0, 13, 2**31, 2**32 - 1]))
        return Hostile(topic, key, frame(schema_id) + draw(st.binary(max_size=80)), way)
    if way == "key":
        return Hostile(topic, draw(st.binary(max_size=20)), good, way)
    first, last = sorted((draw(st.integers(0, len(good))), draw(st.integers(0, len(good)))))
    return Hostile(topic, key, good[:first] + draw(st.binary(max_size=12)) + good[last:], way)


def _spoilt(topic: str) -> Iterator[Hostile]:
    """A good record of the topic, spoilt in every way that has a name."""
    good = good_value(topic)
    for how, make in _BYTES.items():
        yield from (Hostile(topic, b"victim", value, how) for value in make(topic, good))
    for key in (b"other", b"Victim", b"victi", b"victim\x00", b"", b"\xff\xfe", TICK_KEY, b"k" * LIMIT_BYTES):
        yield Hostile(topic, key, good, "wrong key")
    yield Hostile(topic, None, good, "null key")
    yield Hostile(topic, None, None, "null key and value")
    if topic == "account.profiles":
        yield from (Hostile(topic, key, None, "bad tombstone") for key in (b"", b"\x00", b"\xff", b"k" * 129))
    else:
        yield Hostile(topic, b"victim", None, "null value")
    for account_id in ("", "a\x00b", "v" * 129, "é" * 30_000):
        yield Hostile(topic, account_id.encode(), good_value(topic, account_id=account_id), "bad account id")
    for account_id in ("fleet", "fleet:smb", "fleet:"):
        yield Hostile(topic, account_id.encode(), good_value(topic, account_id=account_id), "reserved account id")
        if topic == "account.profiles":
            yield Hostile(topic, account_id.encode(), None, "reserved account id")
    for changes in _fields(topic):
        yield Hostile(topic, b"victim", good_value(topic, **changes), f"bad {next(iter(changes))}")


def _fields(topic: str) -> Iterator[dict[str, Any]]:
    yield from ({edge.field: edge.value} for edge in edges(TOPICS[topic].schema) if edge.field != "account_id")
    for name, (rule, *_rest) in RULES[TOPICS[topic].schema].items():
        if isinstance(rule, Text) and name != "account_id":
            yield from ({name: text} for text in ("x" * 60_000, "ß" * 30_000))
    yield from ({EVENT_TIME[TOPICS[topic].schema]: at_ms} for at_ms in (4_102_444_800_000, 253_402_300_799_999))


def _truncated(topic: str, good: bytes) -> Iterator[bytes]:
    del topic
    return (good[:cut] for cut in range(len(good)))


def _extended(topic: str, good: bytes) -> Iterator[bytes]:
    del topic
    yield from (good + b"\x00" * more for more in (1, 2, 7, 8, 100))
    yield from (good + good, good + good[5:], b"\x00" + good, good[1:])


def _magic(topic: str, good: bytes) -> Iterator[bytes]:
    del topic
    return (bytes([byte]) + good[1:] for byte in range(1, 256))


def _schema_ids(topic: str, good: bytes) -> Iterator[bytes]:
    known = {*definitions.released_ids()[TOPICS[topic].schema].values(), _TICK_ID}
    for schema_id in {*range(16), 255, 256, 65_535, 2**24, 2**31 - 1, 2**31, 2**32 - 1} - known:
        yield frame(schema_id) + good[5:]


def _oversize(topic: str, good: bytes) -> Iterator[bytes]:
    del topic
    yield from (good + b"\x00" * (size - len(good)) for size in (LIMIT_BYTES + 1, 100_000, 1_000_000, 1_040_000))


def _surrogates(topic: str, good: bytes) -> Iterator[bytes]:
    """Text that is no UTF-8, of the same length as the text it replaces."""
    del topic
    bad = [b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xff\xfe", b"\xc0\xaf", b"\x80", b"\xf4\x90\x80\x80", b"\xc3"]
    for start in (place for place in range(5, len(good) - 6) if good[place : place + 6].isalpha()):
        yield from (good[:start] + text + good[start + len(text) :] for text in bad)


def _lengths(topic: str, good: bytes) -> Iterator[bytes]:
    """A length or a count that leads out of the record, at every place where one could stand."""
    del topic
    wild = [b"\xff" * 9 + b"\x01", b"\x80" * 9 + b"\x01", b"\xfe\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x80\x40", b"\x01"]
    yield from (good[:place] + length + good[place + 1 :] for place in range(5, len(good)) for length in wild)


def _deep(topic: str, good: bytes) -> Iterator[bytes]:
    """Varints without an end, and counts of items that take no bytes."""
    del topic
    head = good[:5]
    for byte in (0x00, 0x01, 0x7F, 0x80, 0xFF):
        yield from (head + bytes([byte]) * size for size in (1, 11, 5_000, 60_000))
    yield head + struct.pack(">d", math.nan) * 20


_BYTES: dict[str, Callable[[str, bytes], Iterator[bytes]]] = {
    "truncated": _truncated,
    "extended": _extended,
    "wrong magic": _magic,
    "wrong schema id": _schema_ids,
    "oversize": _oversize,
    "no UTF-8": _surrogates,
    "wild length": _lengths,
    "deep garbage": _deep,
}


def _read(name: str, body: bytes) -> dict[str, Any] | None:
    """The record in exactly these bytes, or None."""
    stream = BytesIO(body)
    try:
        record: Any = fastavro.schemaless_reader(stream, _schema(name), None)
    except Exception:
        return None
    return record if stream.tell() == len(body) else None


def _within_rules(name: str, record: dict[str, Any]) -> bool:
    ints = [field["name"] for field in _schema(name)["fields"] if field["type"] in ("int", ["null", "int"])]
    fits = all(record[each] is None or -(2**31) <= record[each] < 2**31 for each in ints)
    return fits and not broken_fields(name, record)


def _is_text(data: bytes, least: int, most: int) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return least <= len(data) <= most and b"\x00" not in data


@cache
def _schema(name: str) -> dict[str, Any]:
    """The schema of the bytes; maps, which nothing reads, as pairs of any bytes."""
    pair = {"type": "record", "name": "Pair", "fields": [{"name": at, "type": "bytes"} for at in ("key", "value")]}
    schema: dict[str, Any] = plain(definitions.current(name))
    for field in schema["fields"]:
        if field["type"] == ["null", {"type": "map", "values": "string"}]:
            field["type"] = ["null", {"type": "array", "items": pair}]
    return schema
