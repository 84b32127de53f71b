"""Reads everything that the database knows about one account. Changes nothing."""

from __future__ import annotations

import difflib
import json
from typing import Any

from sqlalchemy import Connection, func, select, text

from pipeline.health.records import PUBLISH_DAYS
from schemas.accounts import of_fleet
from schemas.topics import DAY_MS
from sinks.database import tables
from sinks.database.engine import open_engine
from sinks.database.failures import failures_translated
from sinks.errors import UnknownAccountError

OPEN = ("firing", "acknowledged", "snoozed")
_FAMILY = text("SELECT * FROM v_families WHERE parent_account_id = :account_id ORDER BY scorecard")
_WORST_CHILDREN = text(
    "SELECT account_id, scorecard, score, band FROM v_worst_accounts WHERE parent_account_id = :account_id "
    "ORDER BY scorecard, score, account_id LIMIT 20"
)
CLOSED_DAYS = 91
"""So long after its end an alert belongs to what a business review looks back on."""
_NEAR = 5
_CANDIDATES = 20_000


def read_account(url: str, account_id: str, *, days: int = 28) -> dict[str, Any]:
    """Return profile, health per scorecard, open cases, alerts open and lately closed, commands and closed days.

    The newest come first; of the days the last `days`: `history` has the scores, `activity` what the account did on
    those that any record tells of.

    Health and alerts are the records as they were delivered; everything is plain JSON. A day on which no record was
    published has the figures of the one before; `last_closed_day` is that of all accounts.

    Raises:
        UnknownAccountError: the database has nothing about it; names similar ids.
        SinkUnavailableError: the database cannot be read.
    """
    engine = open_engine(url)
    try:
        with failures_translated(engine), engine.connect() as connection:
            found = account_of(connection, account_id, days=days)
            return found | {"family": _family(connection, account_id)}
    finally:
        engine.dispose()


def account_of(connection: Connection, account_id: str, *, days: int) -> dict[str, Any]:
    """The same over a connection, without the accounts below it.

    Raises:
        UnknownAccountError: the database has nothing about it; names similar ids.
    """
    profile = _profile(connection, account_id)
    if profile is None:
        raise UnknownAccountError(account_id, _near(connection, account_id))
    closed = tables.accounts.c
    # The last in time is the last by number, and times have an index.
    newest = select(closed.day).where(closed.as_of_ms.is_not(None)).order_by(closed.as_of_ms.desc()).limit(1)
    last_closed_day = connection.scalar(newest)
    published = _published(connection, account_id, last_closed_day or 0, days)
    return {
        "account": profile,
        "last_closed_day": last_closed_day,
        "health": _health(connection, account_id),
        "open_cases": _open_cases(connection, account_id),
        "open_alerts": _open_alerts(connection, account_id),
        "closed_alerts": _closed_alerts(connection, account_id, last_closed_day or 0),
        "commands": _commands(connection, account_id),
        "activity": _activity(published, last_closed_day or 0, days),
        "history": _history(published, last_closed_day or 0, days),
    }


def _profile(connection: Connection, account_id: str) -> dict[str, Any] | None:
    query = select(tables.accounts).where(tables.accounts.c.account_id == account_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is not None:
        return dict(row)
    children = select(tables.accounts.c.account_id).where(tables.accounts.c.parent_account_id == account_id).limit(1)
    if not of_fleet(account_id) and connection.execute(children).first() is None:
        return None
    # A holding that uses nothing itself is known by the accounts below it only, the fleet by its alerts.
    return dict.fromkeys(tables.accounts.columns.keys()) | {"account_id": account_id}


def _family(connection: Connection, account_id: str) -> list[dict[str, Any]]:
    """The accounts below this one rolled up by scorecard, and their worst."""
    rolled_up = connection.execute(_FAMILY, {"account_id": account_id}).mappings().all()
    worst = connection.execute(_WORST_CHILDREN, {"account_id": account_id}).mappings().all()
    return [
        dict(row) | {"worst": [dict(child) for child in worst if child["scorecard"] == row["scorecard"]]}
        for row in rolled_up
    ]


def _health(connection: Connection, account_id: str) -> list[dict[str, Any]]:
    health = tables.account_health
    newest = select(func.max(health.c.as_of_ms)).where(health.c.account_id == account_id).scalar_subquery()
    query = (
        select(health.c.payload)
        .where(health.c.account_id == account_id, health.c.as_of_ms == newest)
        .order_by(health.c.is_primary.desc(), health.c.scorecard)
    )
    return [json.loads(payload) for payload in connection.scalars(query)]


def _open_cases(connection: Connection, account_id: str) -> list[dict[str, Any]]:
    """Columns of the cases, and the rest of those whose first revision has come."""
    cases = tables.cases
    query = (
        select(cases)
        .where(cases.c.account_id == account_id, cases.c.status != "closed", ~cases.c.shadow)
        .order_by(cases.c.priority.desc(), cases.c.case_id)
    )
    known = [dict(row) for row in connection.execute(query).mappings()]
    return [row | {"payload": json.loads(row["payload"] or "null")} for row in known]


def _open_alerts(connection: Connection, account_id: str) -> list[dict[str, Any]]:
    alerts, revisions = tables.alerts, tables.alert_revisions
    same = (revisions.c.alert_id == alerts.c.alert_id) & (revisions.c.revision == alerts.c.revision)
    query = (
        select(revisions.c.payload)
        .join_from(alerts, revisions, same)
        .where(alerts.c.account_id == account_id, alerts.c.status.in_(OPEN), ~alerts.c.shadow)
        .order_by(alerts.c.score.desc(), alerts.c.detected_at_ms.desc(), alerts.c.alert_id)
    )
    return [json.loads(payload) for payload in connection.scalars(query)]


def _closed_alerts(connection: Connection, account_id: str, last: int) -> list[dict[str, Any]]:
    alerts = tables.alerts.c
    names = ("kind", "dimension", "severity", "transition_reason", "starts_at_ms", "ends_at_ms", "summary")
    lately = alerts.ends_at_ms > (last - CLOSED_DAYS) * DAY_MS
    query = (
        select(*(alerts[name] for name in names))
        .where(alerts.account_id == account_id, ~alerts.shadow, lately)
        .order_by(alerts.ends_at_ms.desc(), alerts.starts_at_ms.desc(), alerts.alert_id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _commands(connection: Connection, account_id: str) -> list[dict[str, Any]]:
    commands = tables.alert_commands
    query = (
        select(commands)
        .where(commands.c.account_id == account_id)
        .order_by(commands.c.issued_at_ms.desc(), commands.c.command_id)
        .limit(10)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _published(connection: Connection, account_id: str, last: int, days: int) -> dict[int, list[dict[str, Any]]]:
    """What was recorded of the last days and, since nothing need be for so long, of some before; by day."""
    history = tables.health_history
    recent = history.c.day > last - days - PUBLISH_DAYS
    query = (
        select(history).where(history.c.account_id == account_id, recent).order_by(history.c.day, history.c.scorecard)
    )
    published: dict[int, list[dict[str, Any]]] = {}
    for row in connection.execute(query).mappings():
        told = {name: json.loads(row[name] or "null") for name in ("dimension_values", "activity")}
        published.setdefault(row["day"], []).append(dict(row) | told)
    return published


def _activity(published: dict[int, list[dict[str, Any]]], last: int, days: int) -> list[dict[str, Any]]:
    """Actions, users and what was expected, day by day; the latest record that tells of a day counts."""
    found: dict[int, dict[str, Any]] = {}
    for told in [row.pop("activity") for rows in published.values() for row in rows]:
        for number in range(len(told["actions"]) if told else 0):
            day, expected = told["first_day"] + number, told["expected"]
            found[day] = {
                "day": day,
                "actions": told["actions"][number] / 1000.0,
                "users": told["users"][number],
                "expected": expected and expected[number],
                "dispersion": told["dispersion"],
            }
    return [found[day] for day in sorted(found, reverse=True) if day > last - days]


def _history(published: dict[int, list[dict[str, Any]]], last: int, days: int) -> list[dict[str, Any]]:
    found = []
    for day in range(last, last - days, -1):
        stands = max((each for each in published if each <= day), default=None)
        found += [] if stands is None else [row | {"day": day} for row in published[stands]]
    return sorted(found, key=lambda row: (row["scorecard"], -row["day"]))


def _near(connection: Connection, account_id: str) -> list[str]:
    """Return ids that look like this one or contain it, best first."""
    column = tables.accounts.c.account_id
    containing = func.lower(column).contains(account_id.lower(), autoescape=True)
    found = list(connection.scalars(select(column).where(containing).order_by(column).limit(_NEAR)))
    # Enough for a typing error to be found, and bounded however many accounts there are.
    alike = select(column).where(column.startswith(account_id[:1], autoescape=True)).order_by(column)
    candidates = list(connection.scalars(alike.limit(_CANDIDATES)))
    close = difflib.get_close_matches(account_id, candidates, n=_NEAR)
    return list(dict.fromkeys([*close, *found]))[:_NEAR]
