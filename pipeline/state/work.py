"""Columns that say in which accounts a close has to look after cases; derived from books, never stored."""

from __future__ import annotations

from typing import Any

from pipeline.alerts.case_ids import REOPEN_DAYS
from pipeline.books.book import Book

NEVER = 2**31 - 1
WORK: dict[str, tuple[str, Any]] = {"work": ("?", False), "forget_case_day": ("i4", NEVER)}
"""`work`: whether a case is not closed or an alert was suppressed; the first day on which a closed case is over."""


def work_of(book: Book) -> tuple[bool, int]:
    """The columns of a book, in their order."""
    return works(book), next_forgotten(book)


def works(book: Book) -> bool:
    """Whether there is work, or was until something changed."""
    return bool(book.suppressed) or any(
        case.closed_ms is None or case.known_ms is not None for case in book.cases.values()
    )


def next_forgotten(book: Book) -> int:
    """The first day on which a closed case is over."""
    return min((case.closed_day + REOPEN_DAYS for case in book.cases.values() if case.closed_day >= 0), default=NEVER)
