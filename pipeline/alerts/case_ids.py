"""Which case an alert belongs to: a function of the last close and of the day that is judged."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from pipeline.books.book import Book
from pipeline.books.cases import Case
from schemas.accounts import subject_of

NAMESPACE = uuid5(NAMESPACE_URL, "https://foreshock.example/cases")
REOPEN_DAYS = 14
"""For so long a closed case is taken up again."""
SHADOW = "shadow:"
"""Begins the keys of cases of which nobody is told."""


def case_key(family: str, account_id: str, *, shadow: bool) -> str:
    """Under which a book has the case of an alert."""
    subject = subject_of(family, account_id)
    return SHADOW + subject if shadow else subject


def standing_case(book: Book, key: str, day: int) -> Case | None:
    """The case that an alert of the day would join."""
    case = book.cases.get(key)
    return None if case is None or is_over(case, day) else case


def is_over(case: Case, day: int) -> bool:
    """Whether it was closed so long ago that another one would be opened."""
    return case.closed_day >= 0 and day - case.closed_day >= REOPEN_DAYS


def case_id(account_id: str, key: str, opened_day: int) -> str:
    """Identity of a case."""
    return str(uuid5(NAMESPACE, f"{account_id}|{key}|{opened_day}"))


def current_id(account_id: str, book: Book, key: str, day: int) -> str:
    """Identity of the case that an alert of the day belongs to, whether it exists yet or not."""
    case = standing_case(book, key, day)
    return case_id(account_id, key, day if case is None else case.opened_day)
