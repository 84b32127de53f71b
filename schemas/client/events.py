"""From keyword arguments to the record that the workers apply, or an error that says what to change."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, NamedTuple
from uuid import UUID

from schemas import definitions
from schemas.avro import plain
from schemas.client.spool import Event
from schemas.codec.rows import RowReader, RowWriter, unframe
from schemas.errors import EncodeError, UsageError
from schemas.registry.source import SchemaRegistry
from schemas.rules import OnScale, Past, Rule
from schemas.topics import TOPICS
from schemas.validation import EVENT_ID, EVENT_TIME, MAX_RECORD_BYTES, MAX_SKEW_MS, ROW_RULES, RULES

TOPIC_OF = {
    "usage": "usage.events",
    "billing": "billing.events",
    "ticket": "ticket.events",
    "signal": "customer.signals",
    "profile": "account.profiles",
}
"""What the methods are called, and where their events go."""
PSEUDONYM_KEY = "FORESHOCK_PSEUDONYM_KEY"
"""The variable that holds the key of pseudonyms."""
PERSONAL = frozenset({"user_id", "requester_id", "contact_id"})
"""Fields that name a user; the same user has one pseudonym in all of them."""
_LEAST_KEY_BYTES = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_EXPECTED = {
    "string": "a text",
    "double": "a number",
    "long": "a whole number",
    "int": "a whole number",
    "array": "a list of texts",
    "map": "a dictionary of texts",
}


class EventError(UsageError):
    """An event would be dead-lettered; the message names each field that is wrong, and says what it may be."""


class Made(NamedTuple):
    """An event, and the id by which it is known."""

    event: Event
    event_id: str


class _Field(NamedTuple):
    name: str
    kind: str
    """As Avro calls it."""
    is_time: bool
    is_required: bool
    rules: tuple[Rule, ...]
    doc: str

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value."""
        if not _is_a(self.kind, value):
            return f"a {type(value).__name__}, not {_EXPECTED[self.kind]}"
        for rule in self.rules:
            if not rule.allows(value):
                return rule.wrong_with(value)
        return None


class EventWriter:
    """Makes events of one of the `TOPIC_OF`.

    Args:
        method: its name.
        registry: has the ids of schemas.
        pseudonym: of a user id; None to leave user ids as they are.
    """

    def __init__(self, method: str, registry: SchemaRegistry, pseudonym: Callable[[str], str] | None) -> None:
        topic = TOPICS[TOPIC_OF[method]]
        self._method, self._topic, self._schema, self._pseudonym = method, topic.name, topic.schema, pseudonym
        self._writer = RowWriter(topic, registry)
        schema = definitions.current(topic.schema)
        self._reader = RowReader(schema, schema)
        self._time, self._id = EVENT_TIME[topic.schema], EVENT_ID.get(topic.schema, "")
        self._fields = {field["name"]: _field(field, RULES[topic.schema]) for field in schema["fields"]}
        self._required = [field for field in self._fields.values() if field.is_required]
        self._on_row: Mapping[str, OnScale] = ROW_RULES.get(topic.schema, {})

    def write(self, given: Mapping[str, Any], now_ms: int) -> Made:
        """The event of these fields; what is None was not given. Without a time it happened now.

        Raises:
            EventError: it would be dead-lettered.
        """
        record = {name: value for name, value in given.items() if value is not None}
        record.setdefault(self._time, now_ms)
        if self._id and self._id not in record:
            record[self._id] = new_id(now_ms)
        try:
            problems = list(self._problems(record, now_ms))
            if problems:
                raise EventError("; ".join(f"{self._method}.{problem}" for problem in problems))
            if self._pseudonym is not None:
                for name in PERSONAL & record.keys():
                    record[name] = self._pseudonym(record[name])
            value = self._writer.encode(record)
        except (UnicodeEncodeError, EncodeError) as error:
            msg = f"{self._method}: {error if isinstance(error, EncodeError) else 'a text is no Unicode: mend it'}"
            raise EventError(msg) from None
        if len(value) > MAX_RECORD_BYTES:
            msg = f"{self._method}: {len(value):,} bytes, and workers take {MAX_RECORD_BYTES:,}; leave properties out"
            raise EventError(msg)
        return Made(Event(self._topic, record["account_id"].encode(), value), record.get(self._id, ""))

    def read(self, value: bytes) -> dict[str, Any]:
        """The record in the value of an event."""
        return self._reader.read(unframe(value)[1])

    def _problems(self, record: dict[str, Any], now_ms: int) -> Iterator[str]:
        """What is wrong, in words; times become milliseconds."""
        for field in self._required:
            if field.name not in record:
                yield f"{field.name}: missing. {field.doc}".rstrip()
        sound = True
        for name, value in record.items():
            wrong = self._wrong(name, value, record)
            if wrong:
                sound = False
                yield wrong
        if sound and record[self._time] > now_ms + MAX_SKEW_MS:
            yield f"{self._time}: {Past(high=now_ms + MAX_SKEW_MS).wrong_with(record[self._time])}"
        for name, rule in self._on_row.items():
            if sound and not rule.allows({each: record.get(each) for each in self._fields}):
                yield f"{name}: {rule}"

    def _wrong(self, name: str, value: Any, record: dict[str, Any]) -> str | None:
        field = self._fields.get(name)
        if field is None:
            near = "".join(f", did you mean {each}?" for each in get_close_matches(name, self._fields, 1))
            return f"{name}: not known{near or '; there are ' + ', '.join(self._fields)}"
        if field.is_time and isinstance(value, datetime):
            if value.tzinfo is None:
                return f"{name}: without a time zone; use datetime.now(UTC), or epoch milliseconds"
            value = record[name] = (value - _EPOCH) // _MS
        problem = field.problem(value)
        return None if problem is None else f"{name}: {problem}. {field.doc}".rstrip()


def pseudonyms() -> Callable[[str], str]:
    """The HMAC-SHA256 of a text under the key in `PSEUDONYM_KEY`, in hexadecimal.

    Raises:
        UsageError: there is no such key, or it is short.
    """
    key = os.environ.get(PSEUDONYM_KEY, "").encode()
    if len(key) < _LEAST_KEY_BYTES:
        msg = f"set {PSEUDONYM_KEY} to a secret of {_LEAST_KEY_BYTES} bytes or more, the same in every producer"
        raise UsageError(msg)
    return lambda text: hmac.digest(key, text.encode(), "sha256").hex()


def new_id(at_ms: int) -> str:
    """A UUID of version 7: by time, then at random."""
    bits = int.from_bytes(os.urandom(10))
    return str(UUID(int=at_ms << 80 | 7 << 76 | (bits >> 68) << 64 | 2 << 62 | bits & (2**62 - 1)))


def _field(field: dict[str, Any], rules: Mapping[str, tuple[Rule, ...]]) -> _Field:
    name, bare = field["name"], plain(field["type"])
    is_nullable = isinstance(bare, list)
    kind = next(branch for branch in bare if branch != "null") if is_nullable else bare
    return _Field(
        name,
        kind["type"] if isinstance(kind, dict) else kind,
        "logicalType" in str(field["type"]),
        not is_nullable and "default" not in field,
        rules.get(name, ()),
        field.get("doc", ""),
    )


def _is_a(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "double":
            return isinstance(value, float | int) and not isinstance(value, bool)
        case "long" | "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case _:
            return isinstance(value, dict) and all(isinstance(item, str) for pair in value.items() for item in pair)
