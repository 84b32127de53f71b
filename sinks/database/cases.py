"""The present row of each case: its last revision, and beside it what the alerts of the open day say.

A close writes all of a case. Commands write what people decide; their records have the alerts of the last close, so
that what came since must not be written over. An alert of the open day shows in its case at once: when it is more
severe than what the case says, when it is what the case says, and when the case was closed or asleep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, exists, select, update

from pipeline.terms.kind import severity_rises
from sinks.database import tables
from sinks.database.grouping import in_parts, looked_up

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sinks.database.rows import Row

SHOWN = ("lead_alert_id", "lead_kind", "severity", "summary", "alert_count", "priority", "overdue")
"""Columns that follow from alerts, named as the fields of a case."""
OF_ALERTS = (*SHOWN, "step_id", "step_title", "step_due_at_ms")
_LEAD = ("lead_alert_id", "lead_kind", "severity", "summary", "step_id", "step_title", "step_due_at_ms")
_OVER = ("resolved", "retracted")
_of = tables.cases.c
_COMPARED = (_of.case_id, _of.status, _of.updated_at_ms, _of.severity, _of.lead_alert_id, _of.priority)


def show_alerts(connection: Connection, stubs: Iterable[Row]) -> None:
    """Let cases say what alerts of the open day do; `stubs` is a row of `stub_row` for each of them."""
    newest: dict[str, list[Row]] = {}
    for stub in stubs:
        newest.setdefault(stub["case_id"], []).append(stub)
    for row in looked_up(connection, _of.case_id, list(newest), *_COMPARED):
        case = row._asdict()
        values: dict[str, Any] = {}
        for stub in sorted(newest[case["case_id"]], key=lambda row: row["updated_at_ms"]):
            if stub["updated_at_ms"] > case["updated_at_ms"] or case["lead_alert_id"] is None:
                values |= _said(case | values, stub)
        if values:
            connection.execute(update(tables.cases).where(_of.case_id == case["case_id"]).values(values))


def _said(case: Row, alert: Row) -> Row:
    """What a newer alert changes of a case."""
    worse = severity_rises(case["severity"], alert["severity"])
    closed = case["status"] == "closed"
    values: Row = {}
    if closed or (worse and case["status"] == "snoozed"):
        values = {"status": "open", "closed_at_ms": None, "closed_by": None, "outcome": None, "snoozed_until_ms": None}
    if closed or worse or case["lead_alert_id"] in (None, alert["lead_alert_id"]):
        values |= {name: alert[name] for name in _LEAD}
        values["priority"] = alert["priority"] if closed else max(case["priority"], alert["priority"])
    return values


def close_stubs(connection: Connection, alerts: Iterable[Row]) -> list[Row]:
    """Close cases that were over before any close could write them; returns the alerts that ended them."""
    of = tables.alerts.c
    ended = {row["case_id"]: row for row in alerts if row["case_id"] and row["status"] in _OVER}
    over: list[Row] = []
    for some in in_parts(list(ended)):
        is_firing = exists().where(of.case_id == _of.case_id, of.status == "firing")
        of_stubs = (_of.case_id.in_(some), _of.revision == 0, _of.status == "open", ~is_firing)
        over += [ended[case_id] for case_id in connection.execute(select(_of.case_id).where(*of_stubs)).scalars()]
    for row in over:
        values = {"status": "closed", "closed_at_ms": row["updated_at_ms"], "updated_at_ms": row["updated_at_ms"]}
        connection.execute(update(tables.cases).where(_of.case_id == row["case_id"]).values(values))
    return over
