"""Which decoded records may be applied: identifiers, numbers, times and symbols within their bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.accounts import RESERVED, are_of_fleet, of_fleet
from schemas.arrays import numbers, offsets, valid
from schemas.event_types import BILLING_TYPES, SIGNAL_TYPES, TICKET_PRIORITIES, TICKET_TYPES
from schemas.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]

YEAR_10000_MS = 253_402_300_800_000
MAX_ID_BYTES = 128
MAX_TEXT_BYTES = 1_024
MAX_QUANTITY = 1e9
MAX_DURATION_MS = 10**12
MAX_MINOR = 10**15
MAX_SEATS = 10**9
MAX_SCORE = 1e9


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number's closed interval, and the reason given outside of it. NaN is outside."""

    low: float
    high: float
    reason: str = Reason.INVALID_VALUE


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for the fields of a schema, beyond their types; nulls pass."""

    ids: tuple[str, ...] = ()
    """Not empty, at most MAX_ID_BYTES, no NUL."""
    optional_ids: tuple[str, ...] = ()
    """The same, but may be empty."""
    texts: tuple[str, ...] = ()
    """At most MAX_TEXT_BYTES, no NUL (which PostgreSQL cannot store)."""
    lists: tuple[str, ...] = ()
    """Their items are texts."""
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    symbols: Mapping[str, frozenset[str]] = field(default_factory=dict)


_TIME = Bounds(0, YEAR_10000_MS - 1, Reason.INVALID_TIME)
_MINOR = Bounds(-MAX_MINOR, MAX_MINOR)
_SEATS = Bounds(0, MAX_SEATS)

RULES: dict[str, Rules] = {
    "usage_event": Rules(
        ids=("event_id", "account_id", "user_id", "feature"),
        texts=("action", "source", "role"),
        bounds={
            "occurred_at": _TIME,
            "quantity": Bounds(0, MAX_QUANTITY, Reason.INVALID_QUANTITY),
            "duration_ms": Bounds(0, MAX_DURATION_MS, Reason.INVALID_QUANTITY),
        },
    ),
    "billing_event": Rules(
        ids=("event_id", "account_id"),
        optional_ids=("subscription_id", "invoice_id"),
        texts=("currency", "reason"),
        bounds={
            "occurred_at": _TIME,
            "due_at": _TIME,
            "mrr_minor_before": _MINOR,
            "mrr_minor_after": _MINOR,
            "amount_minor": _MINOR,
            "seats_before": _SEATS,
            "seats_after": _SEATS,
        },
        symbols={"type": BILLING_TYPES},
    ),
    "ticket_event": Rules(
        ids=("event_id", "account_id", "ticket_id"),
        optional_ids=("requester_id",),
        texts=("channel", "component"),
        bounds={"occurred_at": _TIME, "sentiment": Bounds(-1, 1), "csat": Bounds(1, 5)},
        symbols={"type": TICKET_TYPES, "priority": TICKET_PRIORITIES},
    ),
    "customer_signal": Rules(
        ids=("event_id", "account_id"),
        optional_ids=("contact_id", "subject"),
        texts=("phase", "author", "role"),
        lists=("reason_codes",),
        bounds={
            "occurred_at": _TIME,
            "expires_at": _TIME,
            "due_at": _TIME,
            "score": Bounds(-MAX_SCORE, MAX_SCORE),
            "scale": Bounds(-MAX_SCORE, MAX_SCORE),
        },
        symbols={"type": SIGNAL_TYPES},
    ),
    "account_profile": Rules(
        ids=("account_id",),
        optional_ids=("parent_account_id",),
        texts=(
            "name",
            "segment",
            "touch_model",
            "lifecycle_stage",
            "plan",
            "currency",
            "owner",
            "timezone",
            "country",
            "status",
        ),
        lists=("entitled_features",),
        bounds={
            "updated_at": _TIME,
            "renewal_at": _TIME,
            "seats": _SEATS,
            "arr_minor": _MINOR,
            "quota_actions": Bounds(0, MAX_SCORE),
        },
    ),
    "clock_tick": Rules(texts=("source",), bounds={"at_ms": _TIME}),
}


def violations(rules: Rules, columns: pa.RecordBatch) -> dict[int, tuple[str, str]]:
    """Reason and detail of the first rule that each bad row breaks."""
    found: dict[int, tuple[str, str]] = {}
    for names, least, most, reason in (
        (rules.ids, 1, MAX_ID_BYTES, Reason.INVALID_ID),
        (rules.optional_ids, 0, MAX_ID_BYTES, Reason.INVALID_ID),
        (rules.texts, 0, MAX_TEXT_BYTES, Reason.INVALID_TEXT),
    ):
        for name in names:
            detail = f"{name} has no {least} to {most} bytes without NUL"
            _note(found, _bad_texts(columns.column(name), least, most), reason, detail)
    if "account_id" in rules.ids:
        reserved = are_of_fleet(columns.column("account_id")).to_numpy(zero_copy_only=False)
        _note(found, reserved, Reason.RESERVED_ID, f"account_id: {RESERVED}")
    for name in rules.lists:
        detail = f"{name} has an item of more than {MAX_TEXT_BYTES} bytes or with NUL"
        _note(found, _bad_lists(columns.column(name)), Reason.INVALID_TEXT, detail)
    for name, bounds in rules.bounds.items():
        detail = f"{name} is not within {bounds.low:g} and {bounds.high:g}"
        _note(found, _outside(columns.column(name), bounds), bounds.reason, detail)
    for name, symbols in rules.symbols.items():
        detail = f"{name} is none of its symbols"
        _note(found, _unknown(columns.column(name), symbols), Reason.INVALID_TYPE, detail)
    return found


def row_is_valid(schema: str, row: Mapping[str, Any]) -> bool:
    """Whether one record breaks none of the rules of its schema."""
    rules = RULES[schema]
    texts = [
        (row.get(name), least, most)
        for names, least, most in (
            (rules.ids, 1, MAX_ID_BYTES),
            (rules.optional_ids, 0, MAX_ID_BYTES),
            (rules.texts, 0, MAX_TEXT_BYTES),
        )
        for name in names
    ]
    texts += [(item, 0, MAX_TEXT_BYTES) for name in rules.lists for item in row.get(name) or ()]
    numbers_of = [(row.get(name), bounds) for name, bounds in rules.bounds.items()]
    symbols_of = [(row.get(name), symbols) for name, symbols in rules.symbols.items()]
    texts_are_valid = all(
        text is None or (least <= len(text.encode()) <= most and "\0" not in text) for text, least, most in texts
    )
    return (
        texts_are_valid
        and not of_fleet(row.get("account_id") or "")
        and all(value is None or bounds.low <= value <= bounds.high for value, bounds in numbers_of)
        and all(symbol is None or symbol in symbols for symbol, symbols in symbols_of)
    )


def _note(found: dict[int, tuple[str, str]], bad: Mask | None, reason: str, detail: str) -> None:
    if bad is not None:
        for row in np.flatnonzero(bad).tolist():
            found.setdefault(row, (reason, detail))


def _bad_texts(column: pa.Array, least: int, most: int) -> Mask | None:
    bounds = offsets(column)
    lengths = np.diff(bounds)
    bad: Mask | None = None
    if len(lengths) and (lengths.max() > most or (least and lengths.min() < least)):
        bad = (lengths > most) | (lengths < least)
        if column.null_count:
            bad &= valid(column)
    data = column.buffers()[2]
    if data is not None and b"\x00" in data[int(bounds[0]) : int(bounds[-1])].to_pybytes():
        with_nul: Mask = pc.match_substring(column, "\x00").fill_null(False).to_numpy(zero_copy_only=False)
        bad = with_nul if bad is None else bad | with_nul
    return bad


def _bad_lists(column: pa.Array) -> Mask | None:
    items = _bad_texts(column.values, 0, MAX_TEXT_BYTES)
    if items is None:
        return None
    bad = np.zeros(len(column), dtype=np.bool_)
    bad[np.searchsorted(offsets(column), np.flatnonzero(items), side="right") - 1] = True
    return bad


def _outside(column: pa.Array, bounds: Bounds) -> Mask | None:
    if not len(column) or column.null_count == len(column):
        return None
    values = numbers(column)
    inside = (values >= bounds.low) & (values <= bounds.high)
    if column.null_count:
        inside |= ~valid(column)
    return None if inside.all() else ~inside


def _unknown(column: pa.Array, symbols: frozenset[str]) -> Mask | None:
    known = pc.is_in(column, value_set=pa.array(sorted(symbols)))
    mask: Mask = ~known.to_numpy(zero_copy_only=False)
    if column.null_count:
        mask &= valid(column)
    return mask if mask.any() else None
