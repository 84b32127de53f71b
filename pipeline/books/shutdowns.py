"""Times announced by signals in which nothing is expected of an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.books.book import Book, Shutdown
from pipeline.terms.days import Days

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
    book.shutdowns[start_ms] = Shutdown(ends_at_ms, as_of_ms)
    if len(book.shutdowns) > limit:
        del book.shutdowns[min(book.shutdowns)]


def until_ms(book: Book) -> int:
    """When the last shutdown ends; −1 without any."""
    return max((shutdown.ends_at_ms for shutdown in book.shutdowns.values()), default=-1)


def days_of(book: Book, days: Days) -> list[tuple[int, int]]:
    """First and last day of each shutdown."""
    spans = ((start_ms, shutdown.ends_at_ms) for start_ms, shutdown in book.shutdowns.items())
    return [(days.of_one(start_ms), days.of_one(end_ms - 1)) for start_ms, end_ms in spans if end_ms > start_ms]
