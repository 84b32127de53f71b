"""What all questions share: whose accounts are seen, pages, and words looked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, func, literal, or_, select, true

from sinks.database import tables

Owners = frozenset[str] | None
"""Whose accounts are seen; None: everybody's."""
Row = TypeVar("Row")

PAGE_ROWS = 50
COUNTED = 10_000
"""More rows than these are not counted."""
GONE = ("ended", "test")
"""Lives of accounts that nobody looks after."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of an answer."""

    rows: tuple[Row, ...]
    number: int
    """From 1 on."""
    total: int
    """Rows of all pages; at most `COUNTED`."""

    @property
    def pages(self) -> int:
        """How many there are, at least one."""
        return max(1, -(-self.total // PAGE_ROWS))


def seen(owners: Owners, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """Condition: one of the columns names an owner who is meant."""
    return true() if owners is None else or_(*(column.in_(sorted(owners)) for column in columns))


def has_text(text: str, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """Condition: one of the columns contains the text, in any case."""
    return or_(*(func.lower(column).contains(text.lower(), autoescape=True) for column in columns))


def count(connection: Connection, query: Select[Any]) -> int:
    """Rows of a query, at most `COUNTED`."""
    bounded = query.with_only_columns(literal(1)).order_by(None).limit(COUNTED).subquery()
    return connection.scalar(select(func.count()).select_from(bounded)) or 0


def rows_of(connection: Connection, query: Select[Any], page: int) -> Sequence[Any]:
    """The rows of one page as mappings."""
    start = (max(1, page) - 1) * PAGE_ROWS
    return connection.execute(query.limit(PAGE_ROWS).offset(start)).mappings().all()


def last_close_ms(connection: Connection) -> int:
    """End of the last closed day of any account; 0 before the first."""
    return connection.scalar(select(func.max(tables.accounts.c.as_of_ms))) or 0


def parsed(payload: str | None) -> dict[str, Any]:
    """A record as it was delivered; nothing of nothing."""
    found: dict[str, Any] = json.loads(payload) if payload else {}
    return found


def segments(connection: Connection) -> list[str]:
    """Names of all segments, read one after the other from their index."""
    of = tables.accounts.c
    found: list[str] = []
    name = connection.scalar(select(func.min(of.segment)))
    while name is not None:
        found.append(name)
        name = connection.scalar(select(func.min(of.segment)).where(of.segment > name))
    return found
