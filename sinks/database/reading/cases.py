"""Cases: the inbox, one case with its history, and whom names belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, union_all

from schemas.accounts import of_fleet
from schemas.event_types import OPEN_CASES
from sinks.database import tables
from sinks.database.reading.scope import PAGE_ROWS, Owners, Page, count, has_text, parsed, rows_of, seen

AWAKE = ("open", "acknowledged")
"""What is shown unless another status is asked for: who snoozes a case wants it out of sight."""
_LISTED = 20


@dataclass(frozen=True, slots=True)
class CaseFilters:
    """Which cases; None: whatever it is."""

    subject: str | None = None
    severity: str | None = None
    kind: str | None = None
    """Of the lead alert."""
    segment: str | None = None
    status: str | None = None
    """None: all that are not closed."""
    text: str | None = None
    """In the account's id or name, or in the summary."""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case as it stands."""

    case_id: str
    revision: int
    account_id: str
    account_name: str | None
    subject: str
    status: str
    opened_at_ms: int
    updated_at_ms: int
    closed_at_ms: int | None
    lead_alert_id: str | None
    lead_kind: str | None
    severity: str
    summary: str
    alert_count: int
    priority: float
    arr_minor: int | None
    currency: str | None
    arr_at_risk_minor: int | None
    renewal_at_ms: int | None
    segment: str | None
    owner: str | None
    assignee: str | None
    overdue: bool
    acknowledged_by: str | None
    snoozed_until_ms: int | None
    outcome: str | None
    step_id: str | None
    step_title: str | None
    step_due_at_ms: int | None
    payload: Mapping[str, Any] = field(default_factory=dict)
    """The record as it was delivered; empty in the inbox, and of a case of which only an alert is known."""

    @property
    def suppressed(self) -> Sequence[Mapping[str, Any]]:
        """Alerts that were kept from opening."""
        found: Sequence[Mapping[str, Any]] = self.payload.get("suppressed") or ()
        return found

    @property
    def takes_commands(self) -> bool:
        """Whether people may do something with it: it is of one account."""
        return not of_fleet(self.account_id)

    @property
    def responsible(self) -> str | None:
        """Who looks after it."""
        return self.assignee or self.owner


@dataclass(frozen=True, slots=True)
class Act:
    """What happened to a case: one of its revisions, or what a person asked for."""

    at_ms: int
    author: str | None
    """None: nobody, the case changed with its alerts."""
    action: str
    note: str | None
    result: str | None
    """applied, refused or unchanged; None of a revision, or while it is not known."""
    reason: str | None
    revision: int | None


@dataclass(frozen=True, slots=True)
class Case:
    """One case with what it is made of."""

    row: CaseRow
    alerts: tuple[Mapping[str, Any], ...]
    """The newest record of each alert, the lead first."""
    history: tuple[Act, ...]
    """The newest first."""


_COLUMNS = tuple(each.name for each in fields(CaseRow))
_INBOX = tuple(name for name in _COLUMNS if name != "payload")


def inbox(connection: Connection, filters: CaseFilters, owners: Owners, page: int = 1) -> Page[CaseRow]:
    """A page of cases, those first that should be looked at first; without those on trial."""
    of, number = tables.cases.c, max(1, page)
    found = rows_of(connection, _first(filters, owners, number * PAGE_ROWS), number)
    every = _filtered(select(of.case_id), filters, owners).where(of.status.in_(_states(filters)))
    return Page(tuple(CaseRow(**row) for row in found), number, count(connection, every))


def cases_after(
    connection: Connection,
    filters: CaseFilters,
    owners: Owners,
    limit: int,
    *,
    after: tuple[float, str] | None = None,
    since_ms: int = 0,
) -> list[CaseRow]:
    """The next cases of the inbox's order after one, which its priority and id name; of those changed since a time."""
    of = tables.cases.c
    conditions = [of.updated_at_ms >= since_ms] if since_ms else []
    if after is not None:
        priority, case_id = after
        conditions.append((of.priority < priority) | ((of.priority == priority) & (of.case_id > case_id)))
    found = connection.execute(_first(filters, owners, limit, *conditions).limit(limit)).mappings()
    return [CaseRow(**row) for row in found]


def _first(filters: CaseFilters, owners: Owners, rows: int, *conditions: ColumnElement[bool]) -> Select[Any]:
    """So many cases, those first that should be looked at first, and perhaps more behind them."""
    of = tables.cases.c

    # State by state, since an index has the priorities of each in order.
    def best(status: str) -> Select[Any]:
        query = _filtered(select(*(of[name] for name in _INBOX)), filters, owners).where(
            of.status == status, *conditions
        )
        return select(query.order_by(of.priority.desc(), of.case_id).limit(rows).subquery())

    merged = union_all(*map(best, _states(filters))).subquery()
    return select(merged).order_by(merged.c.priority.desc(), merged.c.case_id)


def _states(filters: CaseFilters) -> Sequence[str]:
    return [filters.status] if filters.status else AWAKE


def case(connection: Connection, case_id: str, owners: Owners) -> Case | None:
    """One case; None if there is none or it is not to be seen."""
    row = case_row(connection, case_id, owners)
    if row is None:
        return None
    alerts = sorted(_alerts(connection, row), key=lambda each: (each["alert_id"] != row.lead_alert_id, -each["score"]))
    return Case(row, tuple(alerts), _history(connection, row))


def case_row(connection: Connection, case_id: str, owners: Owners) -> CaseRow | None:
    """One case as it stands; None as `case`."""
    of = tables.cases.c
    query = select(*(of[name] for name in _COLUMNS)).where(of.case_id == case_id, _visible(owners))
    found = connection.execute(query).mappings().one_or_none()
    return None if found is None else _row(found)


def cases_of(connection: Connection, account_id: str) -> tuple[CaseRow, ...]:
    """The cases of an account, the newest first."""
    of = tables.cases.c
    query = select(*(of[name] for name in _COLUMNS)).where(of.account_id == account_id, ~of.shadow)
    found = connection.execute(query.order_by(of.opened_at_ms.desc(), of.case_id).limit(_LISTED)).mappings()
    return tuple(map(_row, found))


def standing(connection: Connection) -> dict[tuple[str, str], int]:
    """How many cases are not closed, by severity and status; without those on trial."""
    of = tables.cases.c
    query = select(of.severity, of.status, func.count()).where(of.status.in_(OPEN_CASES), ~of.shadow)
    return {
        (severity, status): count
        for severity, status, count in connection.execute(query.group_by(of.severity, of.status))
    }


def names_of(connection: Connection, account_ids: Sequence[str]) -> dict[str, str]:
    """Names of accounts, as far as cases have told them."""
    of = tables.cases.c
    named = select(of.account_id, func.max(of.account_name)).where(
        of.account_id.in_(account_ids), of.account_name.is_not(None)
    )
    return dict(connection.execute(named.group_by(of.account_id)).all())


def _visible(owners: Owners) -> ColumnElement[bool]:
    of = tables.cases.c
    return seen(owners, of.owner, of.assignee)


def _filtered(query: Select[Any], filters: CaseFilters, owners: Owners) -> Select[Any]:
    of = tables.cases.c
    query = query.where(~of.shadow, _visible(owners))
    named = {of.subject: filters.subject, of.severity: filters.severity, of.lead_kind: filters.kind}
    for column, value in (named | {of.segment: filters.segment}).items():
        if value:
            query = query.where(column == value)
    if filters.text:
        query = query.where(has_text(filters.text, of.account_id, of.account_name, of.summary))
    return query


def _row(row: Any) -> CaseRow:
    return CaseRow(**{**row, "payload": parsed(row["payload"])})


def _alerts(connection: Connection, row: CaseRow) -> list[dict[str, Any]]:
    """The newest record of each alert of a case."""
    alerts, revisions = tables.alerts, tables.alert_revisions
    same = (revisions.c.alert_id == alerts.c.alert_id) & (revisions.c.revision == alerts.c.revision)
    query = select(revisions.c.payload).join_from(alerts, revisions, same)
    query = query.where(alerts.c.case_id == row.case_id, ~alerts.c.shadow)
    query = query.order_by(alerts.c.detected_at_ms.desc(), alerts.c.alert_id).limit(_LISTED)
    return [parsed(payload) for payload in connection.scalars(query)]


def _history(connection: Connection, row: CaseRow) -> tuple[Act, ...]:
    """Commands as people gave them, and every other revision."""
    revisions, commands = tables.case_revisions.c, tables.alert_commands.c
    changed = select(revisions.revision, revisions.updated_at_ms, revisions.status, revisions.payload)
    changed = changed.where(revisions.case_id == row.case_id, revisions.author.is_(None))
    asked = select(tables.alert_commands).where(commands.account_id == row.account_id)
    asked = asked.where(commands.case_id == row.case_id)
    acts = [
        Act(each.updated_at_ms, None, each.status, parsed(each.payload).get("summary"), None, None, each.revision)
        for each in connection.execute(changed)
    ]
    acts += [
        Act(
            each.issued_at_ms,
            each.author,
            each.action,
            each.note,
            each.result,
            each.result_reason,
            each.case_revision,
        )
        for each in connection.execute(asked)
    ]
    return tuple(sorted(acts, key=lambda act: (act.at_ms, act.revision or 0), reverse=True))


def figures_of(connection: Connection, alert_id: str | None) -> list[dict[str, Any]]:
    """What an alert measured, revision by revision: `at_ms`, `observed`, `expected` and `unit`."""
    of = tables.alert_revisions.c
    query = select(of.updated_at_ms, of.payload).where(of.alert_id == alert_id).order_by(of.revision)
    found = []
    for at_ms, payload in connection.execute(query) if alert_id else ():
        signal = parsed(payload)["signal"]
        found.append({"at_ms": at_ms, **{name: signal[name] for name in ("observed", "expected", "unit")}})
    return found
