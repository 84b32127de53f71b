"""What scorecards read of people and plans: shares of what is reached, held or connected, per account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.books.book import Book

SHARES: dict[str, tuple[str, Any]] = {
    "milestones": ("f8", np.nan),
    "outcomes": ("f8", np.nan),
    "sponsor": ("f8", np.nan),
    "attendance": ("f8", np.nan),
    "integrations": ("f8", np.nan),
    "reference_ms": ("i8", -1),
    "entitled": ("i4", 0),
}
"""Columns derived from books: type and default."""


def shares_of(book: Book) -> tuple[Any, ...]:
    """The figures of one account, in the order of `SHARES`."""
    contacts = [who for who in book.contacts.values() if who.as_of_ms >= 0]
    profile = book.profile
    return (
        _share([goal.reached_ms is not None for goal in book.milestones.values()]),
        _share([goal.reached_ms is not None for goal in book.outcomes.values()]),
        float(any(who.present and who.role == "sponsor" for who in contacts)) if contacts else np.nan,
        _share([meeting.held for meeting in book.meetings]),
        _share([link.connected for link in book.integrations.values()]),
        book.reference_ms,
        len(profile.entitled_features or ()) if profile else 0,
    )


def _share(done: Sequence[bool]) -> float:
    """Share of what is true; NaN of nothing."""
    return sum(done) / len(done) if done else np.nan
