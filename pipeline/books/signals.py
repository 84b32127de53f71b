"""Customer signals and profiles on an account's book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pipeline.books.book import Book, Context, Profile, Reading
from schemas.topics import DAY_MS

SURVEY_DAYS = 180
SCALES: dict[float, tuple[float, float]] = {10: (0.0, 10.0), 5: (1.0, 5.0), 7: (1.0, 7.0), 100: (0.0, 100.0)}
"""Lowest and highest answer of a scale, named by its best possible score."""
SURVEYS: dict[str, float] = {"nps": 10, "csat": 5, "ces": 7}
"""Signal types that answer a survey, and the scale each has unless it says otherwise."""
REFERENCES = frozenset({"reference_given", "referral_given"})
PULSES: dict[str, float] = {"pulse": 5}
QUALITY: dict[str, float] = {"qa_scored": 100}
"""Reviews of how well the customer was served by support."""
_FIELDS = {**dict.fromkeys(SURVEYS, "survey"), **dict.fromkeys(PULSES, "pulse"), **dict.fromkeys(QUALITY, "quality")}
"""What a reading is kept as in the book, by signal type."""


def reading_of(event: Mapping[str, Any]) -> Reading | None:
    """The answer in 0…1 with its expiry; nothing when it has no score or an unknown scale."""
    kind, score, at_ms = event["type"], event["score"], event["occurred_at"]
    scale = event["scale"] if event["scale"] is not None else (SURVEYS | PULSES | QUALITY).get(kind)
    if score is None or scale not in SCALES:
        return None
    low, high = SCALES[scale]
    author, reasons = event["author"], event["reason_codes"]
    expires_at_ms = at_ms + SURVEY_DAYS * DAY_MS if kind not in PULSES else event["expires_at"]
    return Reading(min(1.0, max(0.0, (score - low) / (high - low))), at_ms, expires_at_ms, author, reasons)


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


def apply_profile(book: Book, event: Mapping[str, Any]) -> None:
    """Take the profile unless a newer one is known; without `updated_at` it counts as older than any with one."""
    updated_at_ms = event["updated_at"]
    known = book.profile
    if known is not None and (known.updated_at_ms or -1) > (updated_at_ms if updated_at_ms is not None else -1):
        return
    since_ms = updated_at_ms if event["lifecycle_stage"] is not None else None
    if known is not None and known.lifecycle_stage == event["lifecycle_stage"]:
        since_ms = known.stage_since_ms
    book.profile = Profile(
        updated_at_ms=updated_at_ms,
        renewal_at_ms=event["renewal_at"],
        stage_since_ms=since_ms,
        **{name: event[name] for name in _PLAIN},
    )


_TIMES = ("updated_at_ms", "renewal_at_ms", "stage_since_ms")
_PLAIN = tuple(name for name in Profile.__struct_fields__ if name not in _TIMES)


def context_of(book: Book, day: int) -> Context:
    """What alerts may show of the account once the day is closed."""
    profile = book.profile or Profile()
    mrr = [s.mrr_minor for s in book.subscriptions.values() if s.active and s.mrr_minor is not None]
    arr = profile.arr_minor if profile.arr_minor is not None else (12 * sum(mrr) if mrr else None)
    shared = {name: getattr(profile, name) for name in Context.__struct_fields__ if name not in ("arr_minor", "day")}
    return Context(arr_minor=arr, day=day, **shared)


def same_context(left: Context, right: Context) -> bool:
    """Whether two contexts show the same."""
    return msgspec.structs.replace(left, day=right.day) == right
