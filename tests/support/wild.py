"""Records of any content, most of them hostile: what nobody should be able to stop a worker with."""

from __future__ import annotations

import json
import math
from functools import cache
from random import Random
from typing import Any

from schemas.errors import EncodeError
from schemas.topics import INPUT_TOPICS, TOPICS
from schemas.validation import EVENT_TIME
from tests.support.bounds import edges
from tests.support.mixture import Sent
from tests.support.wire import RECORDS, symbols
from tests.support.wire import value as avro

_YEAR_MS = 31_556_952_000
_TIMES_MS = [
    *(0, 1, -1, 1_700_000_000, 86_399_999, -(2**63), 2**63 - 1, 2**62, 253_402_300_799_999),
    # 1999 and 2000, 2009, 2099
    *(946_684_799_999, 946_684_800_000, 1_230_768_000_000, 4_070_908_800_000),
]
_CURRENCIES = ["", "eur", "XXX", "BTC", "ZZZ", "€", "ßß", "ıii", "E" * 60, "EUR\x00", " usd ", "JPY", "KWD"]
_GIANTS = [0, 1, -1, 2**31 - 1, 2**53 + 1, 2**63 - 1, -(2**63), 1e300, -1e300, 5e-324, math.inf, math.nan]
_JSON = [
    b"{",
    b"{}",
    b'{"data":{}}',
    b'{"specversion":"1.0","data":null}',
    b'{"a":' * 20_000,
    b'{"occurred_at":1e400}',
    b'{"event_id":"\\ud800"}',
    b'{"quantity":' + b"9" * 5_000 + b"}",
]
_KEYS: list[bytes | None] = [None, b"", b"\x00tick", b"\xff\xfe", b"fleet", b"somebody else", b"k" * 70_000]
_HOSTILE_ACCOUNTS = 40


def wild(random: Random, now_ms: int) -> Sent:
    """One record: bytes, or a good one with some fields replaced, as Avro or as JSON, under any key."""
    topic = random.choice(INPUT_TOPICS)
    account = f"wild-{random.randrange(_HOSTILE_ACCOUNTS)}"
    key = random.choice(_KEYS) if random.random() < 0.1 else account.encode()
    draw = random.random()
    if draw < 0.1:
        return Sent(topic, key, random.randbytes(random.choice([0, 1, 5, 80, 3_000])), hostile=True)
    if draw < 0.15:
        return Sent(
            topic, key, random.choice([None, *_JSON, b"\x00" * random.choice([5, 70_000, 900_000])]), hostile=True
        )
    record = RECORDS[topic] | {"account_id": account} | _changes(random, topic, now_ms)
    if "event_id" in record and random.random() < 0.9:
        record["event_id"] = f"e{random.getrandbits(64)}"
    return Sent(topic, key, _encoded(random, topic, record), hostile=True)


def _changes(random: Random, topic: str, now_ms: int) -> dict[str, Any]:
    """Some fields as they could be, as they could not, and times of any century."""
    changes: dict[str, Any] = {name: random.choice(sorted(allowed)) for name, allowed in symbols(topic).items()}
    changes |= dict(random.sample(_edges(topic), random.choice([0, 0, 1, 3])))
    times = [name for name in RECORDS[topic] if name == EVENT_TIME[TOPICS[topic].schema] or name.endswith("_at")]
    for name in times:
        near = now_ms + round(random.choice([0, 1e3, -1e6, -1e8, 1e9, 5e5, -_YEAR_MS, _YEAR_MS]) * random.random())
        changes[name] = random.choice(_TIMES_MS) if random.random() < 0.3 else near
    if "currency" in RECORDS[topic]:
        changes["currency"] = random.choice(_CURRENCIES)
    numbers = [name for name, value in RECORDS[topic].items() if isinstance(value, int | float) and name not in times]
    if numbers and random.random() < 0.3:
        changes[random.choice(numbers)] = random.choice(_GIANTS)
    return changes


@cache
def _edges(topic: str) -> list[tuple[str, Any]]:
    return [(edge.field, edge.value) for edge in edges(TOPICS[topic].schema) if edge.field != "account_id"]


def _encoded(random: Random, topic: str, record: dict[str, Any]) -> bytes:
    """As Avro where it can hold the record, and in one of five as JSON."""
    if random.random() < 0.8:
        try:
            return avro(topic, **record)
        except EncodeError:
            pass
    text = json.dumps(record).encode("utf-8", "surrogatepass")
    return b'{"specversion":"1.0","data":' + text + b"}" if random.random() < 0.2 else text
