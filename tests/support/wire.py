"""Records of the input topics as their schemas declare them, and decoders of them."""

from __future__ import annotations

import copy
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import fastavro

from schemas import definitions
from schemas.codec.decode import Decoder
from schemas.codec.encode import Encoder
from schemas.codec.rows import frame
from schemas.errors import RegistryUnavailableError, UnknownSchemaError
from schemas.registry.source import FileRegistry, SchemaId
from schemas.rules import Symbol
from schemas.topics import TOPICS, TopicSpec
from schemas.validation import EVENT_TIME, RULES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.codec.batch import Batch
    from schemas.definitions import Schema

AT_MS = 1_700_000_000_000
REGISTRY = FileRegistry()

RECORDS: dict[str, dict[str, Any]] = {
    "usage.events": {
        "event_id": "e-1",
        "account_id": "acme",
        "user_id": "u-1",
        "feature": "reports.export",
        "action": "click",
        "occurred_at": AT_MS,
        "quantity": 2.5,
        "duration_ms": 12,
        "source": "web",
        "role": None,
        "properties": {"plan": "pro"},
    },
    "billing.events": {
        "event_id": "b-1",
        "account_id": "acme",
        "type": "invoice_issued",
        "occurred_at": AT_MS,
        "subscription_id": None,
        "invoice_id": "in-7",
        "mrr_minor_before": None,
        "mrr_minor_after": 120_000,
        "amount_minor": -500,
        "currency": "EUR",
        "seats_before": None,
        "seats_after": 40,
        "due_at": AT_MS + 1,
        "reason": None,
    },
    "ticket.events": {
        "event_id": "t-1",
        "account_id": "acme",
        "ticket_id": "4711",
        "type": "opened",
        "occurred_at": AT_MS,
        "priority": "p2",
        "channel": "mail",
        "component": None,
        "requester_id": "u-1",
        "sentiment": -0.25,
        "csat": None,
    },
    "customer.signals": {
        "event_id": "s-1",
        "account_id": "acme",
        "type": "nps",
        "occurred_at": AT_MS,
        "contact_id": "c-1",
        "score": 9.0,
        "scale": 10.0,
        "phase": None,
        "author": None,
        "reason_codes": ["price", "support"],
        "expires_at": None,
        "due_at": None,
        "attributes": {"channel": "in-app"},
        "role": None,
        "subject": None,
    },
    "account.profiles": {
        "account_id": "acme",
        "updated_at": AT_MS,
        "name": "Acme GmbH",
        "segment": "mid-market",
        "touch_model": "high",
        "lifecycle_stage": "adoption",
        "plan": "pro",
        "seats": 50,
        "entitled_features": ["reports", "api"],
        "arr_minor": 4_800_000,
        "currency": "EUR",
        "owner": "csm-17",
        "parent_account_id": None,
        "timezone": "Europe/Berlin",
        "country": "DE",
        "renewal_at": AT_MS + 86_400_000,
        "status": "active",
        "quota_actions": None,
    },
    "alert.commands": {
        "command_id": "c-1",
        "alert_id": "al-1",
        "account_id": "acme",
        "action": "snooze",
        "author": "csm-17",
        "issued_at": AT_MS,
        "until": AT_MS + 1,
        "verdict": None,
        "note": "on holiday",
        "case_id": None,
        "since": None,
        "assignee": None,
        "outcome": None,
        "kind": None,
        "play_id": None,
    },
}
"""One good record of each input topic."""


def blank(topic: str, **given: Any) -> dict[str, Any]:
    """An event as the core gets it: null in every field that is not given and has no other default."""
    fields = definitions.current(TOPICS[topic].schema)["fields"]
    return {field["name"]: field.get("default") for field in fields} | given


def symbols(topic: str) -> dict[str, frozenset[str]]:
    """What the fields of a topic may have that are one of a list."""
    rules = RULES[TOPICS[topic].schema].items()
    return {field: rule.symbols for field, each in rules for rule in each if isinstance(rule, Symbol)}


def smallest(topic: str, **given: Any) -> dict[str, Any]:
    """A record with nothing but what must be there."""
    allowed, fields = symbols(topic), definitions.current(TOPICS[topic].schema)["fields"]
    needed = [field["name"] for field in fields if "default" not in field]
    return {name: AT_MS if name in EVENT_TIME.values() else min(allowed.get(name, "x")) for name in needed} | given


class TableRegistry:
    """A registry of given writer schemas; asking for `unavailable` fails as a server that is down."""

    def __init__(self, schemas: Mapping[int, Schema], unavailable: int = -1) -> None:
        self._schemas = dict(schemas)
        self._unavailable = unavailable

    def schema(self, schema_id: SchemaId) -> Schema:
        if schema_id == self._unavailable:
            msg = "down"
            raise RegistryUnavailableError(msg)
        if schema_id not in self._schemas:
            return REGISTRY.schema(schema_id)
        return self._schemas[schema_id]

    def schema_id(self, topic: TopicSpec) -> int:
        for schema_id, schema in self._schemas.items():
            if schema == definitions.current(topic.schema):
                return schema_id
        raise UnknownSchemaError(topic.subject)


def schema_of(name: str) -> Schema:
    """A copy of a current schema, to be changed."""
    return copy.deepcopy(definitions.current(name))


def value(topic: str, **changes: Any) -> bytes:
    """The good record of a topic with changes, framed."""
    return Encoder(TOPICS[topic], REGISTRY).encode({**RECORDS[topic], **changes})


def written(schema_id: int, schema: Schema, record: dict[str, Any]) -> bytes:
    """A record of any schema, framed."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(json.loads(json.dumps(schema))), record)
    return frame(schema_id) + stream.getvalue()


def decoded(
    topic: str,
    values: Sequence[bytes | None],
    keys: Sequence[bytes | None] | None = None,
    decoder: Decoder | None = None,
) -> Batch:
    """A batch of the values, all keyed `acme` unless keys are given."""
    decoder = decoder or Decoder(TOPICS[topic], REGISTRY)
    count = len(values)
    given = [b"acme"] * count if keys is None else keys
    return decoder.decode(3, 10, 10 + count, list(range(10, 10 + count)), [AT_MS] * count, given, values)


def reasons(batch: Batch) -> dict[int, str]:
    """Reason of each bad record by its place."""
    return {bad.index: bad.reason for bad in batch.bad}
