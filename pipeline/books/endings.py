"""What a book remembers only to judge events that come late: when things ended."""

from __future__ import annotations

from pipeline.books.book import Book
from schemas.topics import DAY_MS

REOPENING_DAYS = 84
"""A ticket's reopenings further apart than this are not counted together."""


def remember(book: Book, name: str, at_ms: int, limit: int) -> None:
    """Hold an ending against older facts; beyond the limit the oldest goes."""
    book.settled[name] = max(at_ms, book.settled.get(name, -1))
    bound(book.settled, limit)


def bound(times: dict[str, int], limit: int) -> None:
    """Drop the oldest of too many."""
    if len(times) > limit:
        del times[min(times, key=lambda key: (times[key], key))]


def remembers(book: Book) -> bool:
    """Whether there is anything to forget one day."""
    return bool(book.closed_tickets or book.settled or book.reopened)


def forget(book: Book, before_ms: int) -> bool:
    """Drop what no event young enough to be applied (from `before_ms` on) can need; tells whether anything was."""
    dropped = False
    for times in (book.closed_tickets, book.settled):
        if times and min(times.values()) < before_ms:
            for key in [key for key, at_ms in times.items() if at_ms < before_ms]:
                del times[key]
            dropped = True
    if not book.reopened:
        return dropped
    ended = [key for key, last in book.reopened.items() if last.at_ms + REOPENING_DAYS * DAY_MS < before_ms]
    for key in ended:
        del book.reopened[key]
    return dropped or bool(ended)
