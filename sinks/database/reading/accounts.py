"""The accounts as a list, and everything about one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from sinks.database import tables
from sinks.database.account import account_of
from sinks.database.reading.cases import CaseRow, cases_of, names_of
from sinks.database.reading.scope import COUNTED, GONE, Owners, Page, count, has_text, rows_of, seen

SORTS = ("score", "arr_minor", "renewal_at_ms", "band_since_ms", "account_id")
"""Columns that the list can be sorted by."""
_SHOWN = (
    "account_id", "owner", "segment", "lifecycle_stage", "plan", "life", "arr_minor", "currency", "renewal_at_ms",
    "score", "band", "previous_band", "band_since_ms", "coverage", "provisional", "as_of_ms",
)  # fmt: skip
_FACTS = 60
_FACT_TOPICS = ("billing.events", "ticket.events", "customer.signals")
_CHILDREN = 50


@dataclass(frozen=True, slots=True)
class AccountFilters:
    """Which accounts; None: whatever it is."""

    band: str | None = None
    segment: str | None = None
    stage: str | None = None
    owner: str | None = None
    text: str | None = None
    """In id or owner."""
    sort: str = "score"
    descending: bool = False
    gone: bool = False
    """Those too that have ended or are for tests."""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account of the list, as of the last day that was closed for it."""

    account_id: str
    name: str | None
    """None where no case has told it."""
    owner: str | None
    segment: str | None
    lifecycle_stage: str | None
    plan: str | None
    life: str | None
    arr_minor: int | None
    currency: str | None
    renewal_at_ms: int | None
    score: float | None
    band: str | None
    previous_band: str | None
    band_since_ms: int | None
    coverage: float | None
    provisional: bool | None
    as_of_ms: int | None


@dataclass(frozen=True, slots=True)
class Fact:
    """An event of billing, of tickets or of a person that figures are made of."""

    topic: str
    type: str
    occurred_at_ms: int
    mrr_minor_after: int | None
    seats_after: int | None
    currency: str | None
    score: float | None
    scale: float | None
    csat: int | None
    ticket_id: str | None
    component: str | None
    due_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Account:
    """Everything about one account."""

    row: AccountRow
    explained: Mapping[str, Any]
    """Health by scorecard, alerts open and lately closed, commands and history, as `account_of` returns them."""
    cases: tuple[CaseRow, ...]
    """The newest first."""
    facts: tuple[Fact, ...]
    """The newest first."""
    children: tuple[AccountRow, ...]
    suppressed: tuple[Mapping[str, Any], ...]
    """Alerts that were kept from opening: kind, what by, since and until."""


def accounts(connection: Connection, filters: AccountFilters, owners: Owners, page: int = 1) -> Page[AccountRow]:
    """A page of accounts. Those without a value of the column that sorts are left out."""
    query = _listed(filters, owners)
    if filters.text:
        # No index finds words within ids: all are read, but only once.
        found = rows_of(connection, query.add_columns(func.count().over().label("total")), page)
        total = min(COUNTED, found[0]["total"]) if found else 0
    else:
        found, total = rows_of(connection, query, page), count(connection, query)
    names = names_of(connection, [row["account_id"] for row in found])
    rows = tuple(_row(row, names.get(row["account_id"])) for row in found)
    return Page(rows, max(1, page), total)


def account(connection: Connection, account_id: str, owners: Owners, *, days: int = 182) -> Account | None:
    """Everything about one account; None if there is none or it is not to be seen.

    Raises:
        UnknownAccountError: the database has nothing about it; names similar ids.
    """
    explained = account_of(connection, account_id, days=days)
    profile = explained["account"]
    cases = cases_of(connection, account_id)
    helping = {case.assignee for case in cases}
    if owners is not None and profile["owner"] not in owners and not helping & owners:
        return None
    children = select(tables.accounts).where(tables.accounts.c.parent_account_id == account_id)
    below = connection.execute(children.order_by(tables.accounts.c.account_id).limit(_CHILDREN)).mappings()
    name = names_of(connection, [account_id]).get(account_id)
    suppressed = tuple(each for case in cases for each in case.suppressed)
    return Account(
        _row(profile, name),
        explained,
        cases,
        _facts(connection, account_id),
        tuple(_row(row, None) for row in below if owners is None or row["owner"] in owners),
        suppressed,
    )


def _listed(filters: AccountFilters, owners: Owners) -> Select[Any]:
    of = tables.accounts.c
    query = select(*(of[name] for name in _SHOWN)).where(seen(owners, of.owner))
    named = {of.band: filters.band, of.segment: filters.segment, of.lifecycle_stage: filters.stage}
    for column, value in (named | {of.owner: filters.owner}).items():
        if value is not None:
            query = query.where(column == value)
    if not filters.gone:
        query = query.where(or_(of.life.is_(None), of.life.not_in(GONE)))
    if filters.text:
        query = query.where(has_text(filters.text, of.account_id, of.owner))
    by = of[filters.sort if filters.sort in SORTS else SORTS[0]]
    query = query.where(by.is_not(None))
    if filters.descending:
        return query.order_by(by.desc(), of.account_id.desc())
    return query.order_by(by, of.account_id)


def _row(row: Any, name: str | None) -> AccountRow:
    return AccountRow(name=name, **{column: row[column] for column in _SHOWN})


def _facts(connection: Connection, account_id: str) -> tuple[Fact, ...]:
    of = tables.portfolio_facts.c
    query = (
        select(*(of[name] for name in Fact.__dataclass_fields__))
        .where(of.topic.in_(_FACT_TOPICS), of.account_id == account_id)
        .order_by(of.occurred_at_ms.desc(), of.event_id)
        .limit(_FACTS)
    )
    return tuple(Fact(**row) for row in connection.execute(query).mappings())
