"""What scorecards read of people, plans and contracts: shares of what is reached, held, connected or kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.books.book import Book
from pipeline.books.people import CHAMPION, SPONSOR, has_role, roles_there

SHARES: dict[str, tuple[str, Any]] = {
    "milestones": ("f8", np.nan),
    "outcomes": ("f8", np.nan),
    "sponsor": ("f8", np.nan),
    "champion_there": ("f8", np.nan),
    "attendance": ("f8", np.nan),
    "integrations": ("f8", np.nan),
    "goals_reached": ("i4", 0),
    "revenue_kept": ("f8", np.nan),
    "revenue_fell_ms": ("i8", -1),
    "reference_ms": ("i8", -1),
    "entitled": ("i4", 0),
    "training": ("f8", np.nan),
}
"""Columns derived from books: type and default."""


def shares_of(book: Book) -> tuple[Any, ...]:
    """The figures of one account, in the order of `SHARES`."""
    profile = book.profile
    milestones, outcomes = (
        [goal.reached_ms is not None for goal in goals.values()] for goals in (book.milestones, book.outcomes)
    )
    return (
        _share(milestones),
        _share(outcomes),
        _there(book, SPONSOR),
        _there(book, CHAMPION),
        _share([meeting.held for meeting in book.meetings]),
        _share([link.connected for link in book.integrations.values()]),
        sum(milestones) + sum(outcomes),
        *_revenue(book),
        book.reference_ms,
        len(profile.entitled_features or ()) if profile else 0,
        _share([role in book.trained for role in roles_there(book)]) if book.trained else np.nan,
    )


def _there(book: Book, role: str) -> float:
    """Whether somebody has a role that is known to matter: somebody has or had it; else NaN."""
    if has_role(book, role):
        return 1.0
    return 0.0 if role in book.held_roles else np.nan


def _revenue(book: Book) -> tuple[float, int]:
    """Share that is left of recurring revenue, of several currencies the least; and when it fell."""
    now, before, fell_ms = Counter[str](), Counter[str](), -1
    for each in book.subscriptions.values():
        if each.active and each.mrr_minor is not None:
            now[each.currency] += each.mrr_minor
            before[each.currency] += max(each.mrr_minor, each.fell_from_minor or 0)
            if each.fell_from_minor is not None:
                fell_ms = max(fell_ms, each.fell_ms)
    kept = [now[currency] / whole if whole else 1.0 for currency, whole in before.items()]
    return min(kept, default=np.nan), fell_ms


def _share(done: Sequence[bool]) -> float:
    """Share of what is true; NaN of nothing."""
    return sum(done) / len(done) if done else np.nan
