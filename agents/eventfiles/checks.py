"""What a field of an event must be, beyond its type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.accounts import RESERVED, are_of_fleet
from schemas.definitions import current
from schemas.event_types import BILLING_TYPES, SIGNAL_TYPES, TICKET_PRIORITIES, TICKET_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents.eventfiles.convert import Bool

MAX_ID_BYTES = 128
MAX_TIME_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


@dataclass(frozen=True, slots=True)
class Range:
    """Least and greatest value of a number."""

    low: float
    high: float


_COUNT = Range(0, 2**31 - 1)
RANGES: Mapping[str, Range] = {
    "quantity": Range(0, 1e9),
    "duration_ms": Range(0, 2**53),
    "seats": _COUNT,
    "seats_before": _COUNT,
    "seats_after": _COUNT,
    "sentiment": Range(-1, 1),
    "csat": Range(1, 5),
    "score": Range(-1e9, 1e9),
    "scale": Range(1e-9, 1e9),
}
SYMBOLS: Mapping[tuple[str, str], frozenset[str]] = {
    ("billing_event", "type"): BILLING_TYPES,
    ("ticket_event", "type"): TICKET_TYPES,
    ("ticket_event", "priority"): TICKET_PRIORITIES,
    ("customer_signal", "type"): SIGNAL_TYPES,
}
DEFAULTS: Mapping[str, Any] = {"quantity": 1.0, "priority": "p3"}
"""Values of required fields that a file may leave out."""


def time_fields(schema_name: str) -> frozenset[str]:
    """Fields that are times."""
    return frozenset(
        field["name"] for field in current(schema_name)["fields"] if "timestamp-millis" in str(field["type"])
    )


def problem_of(schema_name: str, field: pa.Field, values: pa.Array) -> tuple[Bool, str] | None:
    """Rows whose value breaks the field's rule, and the rule; None if all keep it, as nulls do."""
    broken, rule = _broken(schema_name, field, values)
    if broken is None:
        return None
    rows = pc.and_(pc.fill_null(broken, False), values.is_valid()).to_numpy(zero_copy_only=False)
    return (rows, rule) if rows.any() else None


def _broken(schema_name: str, field: pa.Field, values: pa.Array) -> tuple[pa.Array | None, str]:
    name = field.name
    symbols = SYMBOLS.get((schema_name, name))
    if symbols is not None:
        return pc.invert(pc.is_in(values, pa.array(sorted(symbols)))), f"not one of {', '.join(sorted(symbols))}"
    if name in time_fields(schema_name):
        return _outside(values, 0, MAX_TIME_MS), "not between the years 1970 and 9999"
    if name in RANGES:
        low, high = RANGES[name].low, RANGES[name].high
        return _outside(values, low, high), f"not between {low:g} and {high:g}"
    if name.endswith("_id"):
        bad, rule = _bad_id(values), f"not 1 to {MAX_ID_BYTES} bytes without NUL"
        if name == "account_id":
            return pc.or_(bad, are_of_fleet(values)), f"{rule}, or reserved: {RESERVED}"
        return bad, rule
    return None, ""


def _outside(values: pa.Array, low: float, high: float) -> pa.Array:
    # Written so that NaN is outside.
    return pc.invert(pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high)))


def _bad_id(values: pa.Array) -> pa.Array:
    length = pc.binary_length(values)
    wrong_length = pc.or_(pc.equal(length, 0), pc.greater(length, MAX_ID_BYTES))
    return pc.or_(wrong_length, pc.match_substring(values, "\x00"))


def missing(values: pa.Array) -> Bool:
    """Rows without a value."""
    rows: Bool = np.asarray(values.is_null().to_numpy(zero_copy_only=False))
    return rows
