"""Which records may be applied: the rules of every field, one table for the wire and for files.

A rule is held against a whole column or a single value; that a value has the type of its field is settled before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.accounts import RESERVED, are_of_fleet, of_fleet
from schemas.arrays import numbers, offsets, valid
from schemas.event_types import BILLING_TYPES, SIGNAL_TYPES, TICKET_PRIORITIES, TICKET_TYPES
from schemas.reasons import Reason

Mask = npt.NDArray[np.bool_]

MAX_ID_BYTES = 128
_MAX_TEXT_BYTES = 1_024
_YEAR_2000_MS = 946_684_800_000
_YEAR_2100_MS = 4_102_444_800_000
_YEAR_10000_MS = 253_402_300_800_000
_LAST_YEAR = 9999
_MAX_DURATION_MS = 10**12
_MAX_MINOR = 10**15
_MAX_COUNT = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MISTAKEN = (
    (10_000, 80_000, "the serial date of a spreadsheet"),
    (20_000_101, 21_000_000, "yyyymmdd as a number"),
    (_YEAR_2000_MS // 1000, _YEAR_2100_MS // 1000, "seconds instead of milliseconds"),
    (_YEAR_2000_MS * 1000, _YEAR_2100_MS * 1000, "microseconds instead of milliseconds"),
    (_YEAR_2000_MS * 1_000_000, _YEAR_2100_MS * 1_000_000, "nanoseconds instead of milliseconds"),
)
"""Numbers from and below, and what they may be; every one of them within this century."""


@dataclass(frozen=True, kw_only=True)
class Rule(ABC):
    """What holds for the values of a field; null keeps every rule. As a text, what is wrong with one that breaks it."""

    reason: Reason
    """Of the dead letter of a record that breaks the rule."""

    def broken_in(self, column: pa.Array) -> Mask | None:
        """Which values of a column break it; None if none does."""
        if column.null_count == len(column):
            return None
        broken = self._broken(column)
        if broken is not None and column.null_count:
            broken = broken & valid(column)
        return broken if broken is not None and broken.any() else None

    def allows(self, value: Any) -> bool:
        """Whether a single value keeps it."""
        return value is None or self._allows(value)

    def wrong_at(self, _column: pa.Array, _row: int) -> str:
        """What is wrong with the value of a row that breaks it."""
        return str(self)

    @abstractmethod
    def _broken(self, column: pa.Array) -> Mask | None:
        """As `broken_in`; the answer for nulls is arbitrary."""

    @abstractmethod
    def _allows(self, value: Any) -> bool:
        pass

    @abstractmethod
    def __str__(self) -> str:
        pass


@dataclass(frozen=True, kw_only=True)
class Text(Rule):
    """So many bytes of UTF-8, and no NUL, which PostgreSQL cannot store."""

    reason: Reason = Reason.INVALID_TEXT
    least: int = 0
    most: int = _MAX_TEXT_BYTES

    def __str__(self) -> str:
        return f"not {self.least} to {self.most:,} bytes without NUL"

    def _broken(self, column: pa.Array) -> Mask | None:
        bounds = offsets(column)
        lengths = np.diff(bounds)
        broken: Mask | None = None
        if lengths.max() > self.most or (self.least and lengths.min() < self.least):
            broken = (lengths > self.most) | (lengths < self.least)
        data = column.buffers()[2]
        if data is not None and b"\x00" in data[int(bounds[0]) : int(bounds[-1])].to_pybytes():
            with_nul: Mask = pc.match_substring(column, "\x00").fill_null(False).to_numpy(zero_copy_only=False)
            broken = with_nul if broken is None else broken | with_nul
        return broken

    def _allows(self, value: str) -> bool:
        return self.least <= len(value.encode()) <= self.most and "\x00" not in value


@dataclass(frozen=True, kw_only=True)
class Texts(Rule):
    """Every item of a list is such a text."""

    reason: Reason = Reason.INVALID_TEXT
    item: Text = Text()

    def __str__(self) -> str:
        return f"an item is {self.item}"

    def _broken(self, column: pa.Array) -> Mask | None:
        items = self.item.broken_in(column.flatten())
        if items is None:
            return None
        counts = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
        broken = np.zeros(len(column), dtype=np.bool_)
        broken[np.repeat(np.arange(len(column)), counts)[items]] = True
        return broken

    def _allows(self, value: list[str]) -> bool:
        return all(map(self.item.allows, value))


@dataclass(frozen=True, kw_only=True)
class Number(Rule):
    """A closed interval; NaN is outside."""

    reason: Reason = Reason.INVALID_VALUE
    low: float
    high: float

    def __str__(self) -> str:
        return f"not between {self.low:,} and {self.high:,}"

    def _broken(self, column: pa.Array) -> Mask | None:
        values = numbers(column)
        if self.low <= values.min() and values.max() <= self.high:
            return None
        outside: Mask = ~((values >= self.low) & (values <= self.high))
        return outside

    def _allows(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class Time(Number):
    """An instant in epoch milliseconds."""

    reason: Reason = Reason.INVALID_TIME
    low: float = _YEAR_2000_MS
    high: float = _YEAR_10000_MS - 1

    def __str__(self) -> str:
        return "not between the years 2000 and 9999"

    def wrong_at(self, column: pa.Array, row: int) -> str:
        """With the likely cause."""
        value = column[row].as_py()
        cause = likely_cause(value)
        lies = f"lies in {_year(value)}" if 0 <= value <= self.high else str(self)
        return f"{lies}: {cause}" if cause else lies


@dataclass(frozen=True, kw_only=True)
class Past(Number):
    """An instant that is over."""

    reason: Reason = Reason.FUTURE_DATED
    low: float = -(2**63)

    def __str__(self) -> str:
        return f"in the future: later than {_EPOCH + timedelta(milliseconds=self.high):%Y-%m-%dT%H:%M:%SZ}"

    def wrong_at(self, column: pa.Array, row: int) -> str:
        """With the likely cause."""
        return f"{self}: 9999 for never?" if _year(column[row].as_py()) == _LAST_YEAR else str(self)


def likely_cause(number: float) -> str:
    """What a number that is no time in milliseconds may be instead, as a question; empty if nothing suggests itself."""
    if number == 0:
        return "0 for no time?"
    return next((f"{words}?" for low, high, words in _MISTAKEN if low <= number < high), "")


def _year(time_ms: float) -> int:
    return (_EPOCH + timedelta(milliseconds=min(time_ms, _YEAR_10000_MS - 1))).year


@dataclass(frozen=True, kw_only=True)
class Symbol(Rule):
    """One of a few texts."""

    reason: Reason = Reason.INVALID_TYPE
    symbols: frozenset[str]

    def __str__(self) -> str:
        return f"not one of {', '.join(sorted(self.symbols))}"

    def _broken(self, column: pa.Array) -> Mask | None:
        known: Mask = pc.is_in(column, value_set=self._value_set).to_numpy(zero_copy_only=False)
        return ~known

    def _allows(self, value: str) -> bool:
        return value in self.symbols

    @cached_property
    def _value_set(self) -> pa.Array:
        return pa.array(sorted(self.symbols))


@dataclass(frozen=True, kw_only=True)
class Unreserved(Rule):
    """An account id that a customer may have."""

    reason: Reason = Reason.RESERVED_ID

    def __str__(self) -> str:
        return f"reserved: {RESERVED}"

    def _broken(self, column: pa.Array) -> Mask | None:
        reserved: Mask = are_of_fleet(column).fill_null(False).to_numpy(zero_copy_only=False)
        return reserved

    def _allows(self, value: str) -> bool:
        return not of_fleet(value)


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
        "scale": (Number(low=1e-9, high=_MAX_COUNT),),
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
    "clock_tick": {"at_ms": _TIME, "source": _TEXT},
}
"""Schema → field → its rules, in the order in which they are held against a record. Maps, which nothing reads, have
none."""

EVENT_TIME: Mapping[str, str] = {
    **dict.fromkeys(RULES, "occurred_at"),
    "account_profile": "updated_at",
    "clock_tick": "at_ms",
}
"""Schema → the field that says when it happened."""


class Broken(NamedTuple):
    """A rule of a field, and the rows that break it."""

    rows: Mask
    field: str
    rule: Rule


def broken_rules(schema: str, columns: pa.RecordBatch, latest_ms: int | None = None) -> Iterator[Broken]:
    """Every rule that a row breaks.

    Args:
        schema: a name in RULES.
        columns: typed as `codec.projection.columns_of` has them; others are left alone.
        latest_ms: event times beyond are in the future; None where no clock is to be asked.
    """
    for name, rules in _with_latest(schema, latest_ms).items():
        column = columns.column(name)
        for rule in rules:
            rows = rule.broken_in(column)
            if rows is not None:
                yield Broken(rows, name, rule)


def violations(schema: str, columns: pa.RecordBatch) -> dict[int, tuple[str, str]]:
    """Reason and detail of the first rule that each bad row breaks."""
    found: dict[int, tuple[str, str]] = {}
    for rows, name, rule in broken_rules(schema, columns):
        values = columns.column(name)
        for row in np.flatnonzero(rows).tolist():
            if row not in found:
                found[row] = (rule.reason, f"{name}: {rule.wrong_at(values, row)}")
    return found


def row_is_valid(schema: str, row: Mapping[str, Any]) -> bool:
    """Whether one record breaks none of the rules of its schema."""
    return all(rule.allows(row.get(name)) for name, rules in RULES[schema].items() for rule in rules)


def _with_latest(schema: str, latest_ms: int | None) -> Mapping[str, Rules]:
    rules = RULES[schema]
    if latest_ms is None:
        return rules
    name = EVENT_TIME[schema]
    return {**rules, name: (*rules[name], Past(high=latest_ms))}
