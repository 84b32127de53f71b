"""Which records may be applied: the rules of every field, one table for the wire and for files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.event_types import (
    BILLING_TYPES,
    CASE_OUTCOMES,
    COMMAND_ACTIONS,
    FEEDBACK_VERDICTS,
    SIGNAL_TYPES,
    TICKET_PRIORITIES,
    TICKET_TYPES,
)
from schemas.reasons import Reason
from schemas.rules import Number, OnScale, Rule, Symbol, Text, Texts, Time, Unreserved
from schemas.scales import LEAST, MOST

MAX_ID_BYTES = 128
MAX_RECORD_BYTES = 64 * 1024
"""Of a value, with its frame, unless the settings say otherwise."""
MAX_SKEW_MS = 600_000
"""How far ahead of the record's timestamp an event may be, unless the settings say otherwise."""
_MAX_DURATION_MS = 10**12
_MAX_MINOR = 10**15
_MAX_COUNT = 10**9

Rules = tuple[Rule, ...]

_ID: Rules = (Text(least=1, most=MAX_ID_BYTES, reason=Reason.INVALID_ID),)
_ACCOUNT_ID: Rules = (*_ID, Unreserved())
_OPTIONAL_ID: Rules = (Text(most=MAX_ID_BYTES, reason=Reason.INVALID_ID),)
_TEXT: Rules = (Text(),)
_TEXTS: Rules = (Texts(),)
_TIME: Rules = (Time(),)
_QUANTITY: Rules = (Number(low=0, high=_MAX_COUNT, reason=Reason.INVALID_QUANTITY),)
_DURATION: Rules = (Number(low=0, high=_MAX_DURATION_MS, reason=Reason.INVALID_QUANTITY),)
_COUNT: Rules = (Number(low=0, high=_MAX_COUNT),)
_MINOR: Rules = (Number(low=-_MAX_MINOR, high=_MAX_MINOR),)

RULES: Mapping[str, Mapping[str, Rules]] = {
    "usage_event": {
        "event_id": _ID,
        "account_id": _ACCOUNT_ID,
        "user_id": _ID,
        "feature": _ID,
        "action": _TEXT,
        "occurred_at": _TIME,
        "quantity": _QUANTITY,
        "duration_ms": _DURATION,
        "source": _TEXT,
        "role": _TEXT,
    },
    "billing_event": {
        "event_id": _ID,
        "account_id": _ACCOUNT_ID,
        "type": (Symbol(symbols=BILLING_TYPES),),
        "occurred_at": _TIME,
        "subscription_id": _OPTIONAL_ID,
        "invoice_id": _OPTIONAL_ID,
        "mrr_minor_before": _MINOR,
        "mrr_minor_after": _MINOR,
        "amount_minor": _MINOR,
        "currency": _TEXT,
        "seats_before": _COUNT,
        "seats_after": _COUNT,
        "due_at": _TIME,
        "reason": _TEXT,
    },
    "ticket_event": {
        "event_id": _ID,
        "account_id": _ACCOUNT_ID,
        "ticket_id": _ID,
        "type": (Symbol(symbols=TICKET_TYPES),),
        "occurred_at": _TIME,
        "priority": (Symbol(symbols=TICKET_PRIORITIES),),
        "channel": _TEXT,
        "component": _TEXT,
        "requester_id": _OPTIONAL_ID,
        "sentiment": (Number(low=-1, high=1),),
        "csat": (Number(low=1, high=5),),
    },
    "customer_signal": {
        "event_id": _ID,
        "account_id": _ACCOUNT_ID,
        "type": (Symbol(symbols=SIGNAL_TYPES),),
        "occurred_at": _TIME,
        "contact_id": _OPTIONAL_ID,
        "score": (Number(low=-_MAX_COUNT, high=_MAX_COUNT),),
        "scale": (Number(low=LEAST, high=MOST),),
        "phase": _TEXT,
        "author": _TEXT,
        "reason_codes": _TEXTS,
        "expires_at": _TIME,
        "due_at": _TIME,
        "role": _TEXT,
        "subject": _OPTIONAL_ID,
    },
    "account_profile": {
        "account_id": _ACCOUNT_ID,
        "updated_at": _TIME,
        "name": _TEXT,
        "segment": _TEXT,
        "touch_model": _TEXT,
        "lifecycle_stage": _TEXT,
        "plan": _TEXT,
        "seats": _COUNT,
        "entitled_features": _TEXTS,
        "arr_minor": _MINOR,
        "currency": _TEXT,
        "owner": _TEXT,
        "parent_account_id": _OPTIONAL_ID,
        "timezone": _TEXT,
        "country": _TEXT,
        "renewal_at": _TIME,
        "status": _TEXT,
        "quota_actions": _COUNT,
    },
    "alert_command": {
        "command_id": _ID,
        "alert_id": _OPTIONAL_ID,
        "account_id": _ACCOUNT_ID,
        "action": (Symbol(symbols=COMMAND_ACTIONS),),
        "author": _ID,
        "issued_at": _TIME,
        "until": _TIME,
        "verdict": (Symbol(symbols=FEEDBACK_VERDICTS),),
        "note": _TEXT,
        "case_id": _OPTIONAL_ID,
        "since": _TIME,
        "assignee": _OPTIONAL_ID,
        "outcome": (Symbol(symbols=CASE_OUTCOMES),),
        "kind": _OPTIONAL_ID,
        "play_id": _OPTIONAL_ID,
    },
    "clock_tick": {"at_ms": _TIME, "source": _TEXT},
}
"""Schema → field → its rules, in the order in which they are held against a record. Maps, which nothing reads, have
none."""

ROW_RULES: Mapping[str, Mapping[str, OnScale]] = {"customer_signal": {"score": OnScale()}}
"""Schema → field → what it must be beside the record's other fields, which keep their own rules."""

EVENT_TIME: Mapping[str, str] = {
    **dict.fromkeys(RULES, "occurred_at"),
    "account_profile": "updated_at",
    "alert_command": "issued_at",
    "clock_tick": "at_ms",
}
"""Schema → the field that says when it happened."""

EVENT_ID: Mapping[str, str] = {
    **dict.fromkeys(("usage_event", "billing_event", "ticket_event", "customer_signal"), "event_id"),
    "alert_command": "command_id",
}
"""Schema → the field that identifies a record within its account. Profiles have none: the newest counts."""


def row_is_valid(schema: str, row: Mapping[str, Any]) -> bool:
    """Whether one record breaks none of the rules of its schema."""
    return all(rule.allows(row.get(name)) for name, rules in RULES[schema].items() for rule in rules) and all(
        rule.allows(row) for rule in ROW_RULES.get(schema, {}).values()
    )
