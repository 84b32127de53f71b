"""Customer signals and profiles on an account's book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pipeline.books.book import Book, Context, Profile, Reading
from pipeline.books.shutdowns import end_pause
from schemas.scales import DEFAULT_SCALES, share_of
from schemas.topics import DAY_MS

SURVEY_DAYS = 180
SURVEYS: dict[str, float] = {kind: DEFAULT_SCALES[kind] for kind in ("nps", "csat", "ces")}
"""Signal types that answer a survey, and the scale each has unless it says otherwise."""
REFERENCES = frozenset({"reference_given", "referral_given"})
PULSES = frozenset({"pulse"})
QUALITY = frozenset({"qa_scored"})
"""Reviews of how well the customer was served by support."""
_FIELDS = {**dict.fromkeys(SURVEYS, "survey"), **dict.fromkeys(PULSES, "pulse"), **dict.fromkeys(QUALITY, "quality")}
"""What a reading is kept as in the book, by signal type."""


def reading_of(event: Mapping[str, Any]) -> Reading | None:
    """The answer in 0…1 with its expiry; nothing when it has no score, or one beyond its scale."""
    kind, score, at_ms = event["type"], event["score"], event["occurred_at"]
    scale = event["scale"] if event["scale"] is not None else DEFAULT_SCALES.get(kind)
    value = share_of(score, scale) if score is not None and scale is not None else None
    if value is None:
        return None
    author, reasons = event["author"], event["reason_codes"]
    expires_at_ms = at_ms + SURVEY_DAYS * DAY_MS if kind not in PULSES else event["expires_at"]
    return Reading(value, at_ms, expires_at_ms, author, reasons)


def apply_signal(book: Book, event: Mapping[str, Any], today_end_ms: int) -> bool:
    """Bring the book up to date with one event; tells whether a reading now waits for the day to close.

    A reading of tomorrow (`today_end_ms` and later) must not be seen by today's score.
    """
    book.signals_seen = True
    kind, at_ms = event["type"], event["occurred_at"]
    if kind in REFERENCES:
        book.reference_ms = max(book.reference_ms, at_ms)
    if kind not in _FIELDS:
        return False
    reading = reading_of(event)
    if reading is None:
        return False
    field = _FIELDS[kind]
    later = bool(at_ms >= today_end_ms)
    name = f"next_{field}" if later else field
    known = getattr(book, name)
    if known is None or at_ms >= known.at_ms:
        setattr(book, name, reading)
    return later


def promote_readings(book: Book) -> None:
    """Let the readings that waited for the day's close take over."""
    book.survey, book.next_survey = book.next_survey or book.survey, None
    book.pulse, book.next_pulse = book.next_pulse or book.pulse, None
    book.quality, book.next_quality = book.next_quality or book.quality, None


def awaits_promotion(book: Book) -> bool:
    """Whether a reading waits for the day's close."""
    return any(reading is not None for reading in (book.next_survey, book.next_pulse, book.next_quality))


def apply_profile(book: Book, event: Mapping[str, Any], limit: int) -> None:
    """Take the profile unless a newer one is known; without `updated_at` it counts as older than any with one."""
    updated_at_ms = event["updated_at"]
    known = book.profile
    if known is not None and (known.updated_at_ms or -1) > (updated_at_ms if updated_at_ms is not None else -1):
        return
    since_ms = updated_at_ms if event["lifecycle_stage"] is not None else None
    if known is not None and known.lifecycle_stage == event["lifecycle_stage"]:
        since_ms = known.stage_since_ms
    profile = Profile(
        updated_at_ms=updated_at_ms,
        renewal_at_ms=event["renewal_at"],
        stage_since_ms=since_ms,
        status_since_ms=updated_at_ms,
        **{name: event[name] for name in _PLAIN},
    )
    if known is not None and known.status_word == profile.status_word:
        profile.status_since_ms = known.status_since_ms
    elif known is not None:
        end_pause(book, updated_at_ms, limit)
    book.profile = profile


_TIMES = ("updated_at_ms", "renewal_at_ms", "stage_since_ms", "status_since_ms")
_PLAIN = tuple(name for name in Profile.__struct_fields__ if name not in _TIMES)


def context_of(book: Book, day: int) -> Context:
    """What alerts may show of the account once the day is closed; money of several currencies is not added up."""
    profile = book.profile or Profile()
    shared = {name: getattr(profile, name) for name in Context.__struct_fields__ if name not in _NOT_SHARED}
    currency = profile.currency.upper() if profile.currency is not None else None
    if profile.arr_minor is not None:
        return Context(arr_minor=profile.arr_minor, currency=currency, day=day, **shared)
    arr = _arr_by_currency(book)
    if len(arr) == 1:
        ((told, known),) = arr.items()
        return Context(arr_minor=known, currency=told or currency, day=day, **shared)
    return Context(arr_minor=arr.get(currency or ""), currency=currency, arr_by_currency=arr or None, day=day, **shared)


_NOT_SHARED = ("arr_minor", "currency", "arr_by_currency", "day")


def _arr_by_currency(book: Book) -> dict[str, int]:
    """Annual recurring revenue of the active subscriptions, in minor units; `""` where the currency is not known."""
    found: dict[str, int] = {}
    for subscription in book.subscriptions.values():
        if subscription.active and subscription.mrr_minor is not None:
            found[subscription.currency] = found.get(subscription.currency, 0) + 12 * subscription.mrr_minor
    return dict(sorted(found.items()))


def same_context(left: Context, right: Context) -> bool:
    """Whether two contexts show the same."""
    return msgspec.structs.replace(left, day=right.day) == right
