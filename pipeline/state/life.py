"""The life of an account: on trial, onboarding, active, paused, gone quiet, ended, or one of our own for tests.

What it is follows from what is paid, from what the profile says and from use, and is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.books.billing import ended_ms, next_end_ms, on_trial
from pipeline.books.book import Book, is_for_tests
from pipeline.scorecards.bands import GREY, RED
from pipeline.terms.arrays import U8, Bools

ACTIVE, TRIAL, ONBOARDING, PAUSED, GONE_QUIET, ENDED, TEST = range(7)
NAMES = ("active", "trial", "onboarding", "paused", "gone_quiet", "ended", "test")

NEVER_MS = 2**62
QUIET = "silence"
"""The kind of alert while which is open an account has gone quiet."""

LIFE: dict[str, tuple[str, Any]] = {
    "life": ("u1", ACTIVE),
    "ended_ms": ("i8", NEVER_MS),
    "next_end_ms": ("i8", NEVER_MS),
    "test": ("?", False),
    "paused": ("?", False),
    "on_trial": ("?", False),
    "quiet": ("?", False),
}
"""Columns derived from books: type and default; `life` is that of the last close."""


def life_of(book: Book) -> tuple[Any, ...]:
    """The figures of one account, in the order of `LIFE`."""
    profile = book.profile
    status = profile.status_word if profile else ""
    ends_ms = (ended_ms(book), _churned_ms(book) if status == "churned" else None)
    paid_ms = next_end_ms(book)
    return (
        book.life,
        min((at_ms for at_ms in ends_ms if at_ms is not None), default=NEVER_MS),
        NEVER_MS if paid_ms is None else paid_ms,
        is_for_tests(status),
        status == "paused",
        on_trial(book) or (not book.subscriptions and status == "trial"),
        is_quiet(book),
    )


def is_quiet(book: Book) -> bool:
    """Whether an alert is open that says so."""
    return book.is_open(QUIET)


def decide(column: Callable[[str], npt.NDArray[Any]], end_ms: int, *, tests: bool) -> U8:
    """What accounts are at the end of a day, from their columns; `tests`: those for tests are like any other."""
    found = np.select(
        [
            column("test") & (not tests),
            column("ended_ms") <= end_ms,
            column("paused"),
            column("on_trial"),
            column("quiet"),
            column("onboarding"),
        ],
        [TEST, ENDED, PAUSED, TRIAL, GONE_QUIET, ONBOARDING],
        ACTIVE,
    )
    return found.astype(np.uint8)


def unjudged(life: U8) -> Bools:
    """Who is judged by nobody and counted nowhere."""
    return np.asarray((life == ENDED) | (life == TEST))


def pinned(life: U8, band: U8) -> tuple[Bools, U8]:
    """Whose band does not follow the score, and what it is: red in silence, the present one in a pause."""
    fixed = unjudged(life) | (life == GONE_QUIET) | (life == PAUSED)
    at = np.where(life == GONE_QUIET, RED, np.where(life == PAUSED, band, GREY))
    return fixed, at.astype(np.uint8)


def _churned_ms(book: Book) -> int | None:
    """Since when the profile calls the account churned, unless a subscription has begun since."""
    since_ms = book.profile.status_since_ms if book.profile else None
    since_ms = -1 if since_ms is None else since_ms
    again = any(known.active and known.since_ms > since_ms for known in book.subscriptions.values())
    return None if again else since_ms
