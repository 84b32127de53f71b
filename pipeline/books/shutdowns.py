"""Times in which nothing is expected of an account: announced by signals, or paused by its profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.books.book import Book, Shutdown
from pipeline.terms.days import Days

FOREVER_MS = 2**62
FOREVER_DAY = 2**31
SHUTDOWN = "shutdown"
"""Type of the signal: `due_at` is the start, `expires_at` the end."""


def apply_shutdown(book: Book, event: Mapping[str, Any], limit: int) -> None:
    """Note a shutdown; a newer signal with the same start replaces it, and one that ends at its start cancels it."""
    start_ms, as_of_ms = event["due_at"], event["occurred_at"]
    if start_ms is None:
        return
    known = book.shutdowns.get(start_ms)
    if known is not None and known.as_of_ms > as_of_ms:
        return
    ends_at_ms = event["expires_at"] if event["expires_at"] is not None else start_ms + 1
    _keep(book, start_ms, Shutdown(ends_at_ms, as_of_ms), limit)


def end_pause(book: Book, at_ms: int | None, limit: int) -> None:
    """Keep a pause that a profile has brought and another one ends, as a shutdown."""
    since_ms = _paused_ms(book)
    if since_ms is not None and at_ms is not None:
        _keep(book, since_ms, Shutdown(at_ms, at_ms), limit)


def until_ms(book: Book) -> int:
    """When the last shutdown ends; −1 without any."""
    if _paused_ms(book) is not None:
        return FOREVER_MS
    return max((end_ms for _, end_ms in _spans(book)), default=-1)


def days_of(book: Book, days: Days) -> list[tuple[int, int]]:
    """First and last day of each shutdown, and of the pause that goes on."""
    found = [(days.of_one(start), days.of_one(end - 1)) for start, end in _spans(book) if end > start]
    paused_ms = _paused_ms(book)
    return found if paused_ms is None else [*found, (days.of_one(paused_ms), FOREVER_DAY)]


def _spans(book: Book) -> list[tuple[int, int]]:
    """Start and end of what was announced, and of the days that people call expected."""
    announced = [(start_ms, shutdown.ends_at_ms) for start_ms, shutdown in book.shutdowns.items()]
    return [*announced, *((each.since_ms, each.until_ms) for each in book.expected)]


def _keep(book: Book, start_ms: int, shutdown: Shutdown, limit: int) -> None:
    book.shutdowns[start_ms] = shutdown
    if len(book.shutdowns) > limit:
        del book.shutdowns[min(book.shutdowns)]


def _paused_ms(book: Book) -> int | None:
    """Since when the profile calls the account paused."""
    profile = book.profile
    return profile.status_since_ms if profile is not None and profile.status_word == "paused" else None
