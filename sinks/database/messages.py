"""Messages that the writer puts into the outbox, in the transaction that writes what they tell of.

A message that nobody has tried to send is replaced when its case changes again; from the first try on it stays until
it is sent or refused, so that a receiver sees the events of a case in their order.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select

from pipeline.notify.deciding import DROPPED, ESCALATED, WAITING, Message, Told, alert_messages, messages, told_by
from pipeline.notify.routing import Case, Routing, owner_of
from sinks.database import tables
from sinks.database.cases import SHOWN
from sinks.database.grouping import BatchRows, in_parts, looked_up
from sinks.database.rows import Row

logger = logging.getLogger(__name__)

_of = tables.outbox.c
_BROKEN = (KeyError, TypeError, ValueError)
"""What comes of a record that is not as its schema means it: it is told to nobody and holds up nothing."""


class Messages:
    """What the changes of a batch make due.

    Args:
        routing: who is told what.
        clock: milliseconds since 1970.
    """

    def __init__(self, routing: Routing, clock: Callable[[], int]) -> None:
        self._routing = routing
        self._clock = clock

    def known(self, connection: Connection, rows: BatchRows) -> dict[str, int]:
        """Revisions of the batch's cases before it is written."""
        of = tables.cases.c
        wanted = [case_id for (case_id,) in rows.cases] if self._routing.routes else []
        found = looked_up(connection, of.case_id, wanted, of.case_id, of.revision)
        return {row.case_id: row.revision for row in found}

    def put(self, connection: Connection, rows: BatchRows, known: Mapping[str, int], over: Sequence[Row]) -> None:
        """Put in what is due now that the batch is written; `known` is from before.

        `over`: alerts that ended cases which no close has written.
        """
        if not self._routing.routes:
            return
        now_ms = self._clock()
        newer = [row for (case_id,), row in rows.cases.items() if row["revision"] > known.get(case_id, -1)]
        self.put_cases(connection, [json.loads(row["payload"]) for row in newer], now_ms)
        ending = {row["alert_id"] for row in over}
        urgent = [
            json.loads(rows.alert_revisions[row["alert_id"], row["revision"]]["payload"])
            for row in rows.alerts.values()
            if row["alert_id"] in ending
            or (row["case_id"] and row["status"] == "firing" and self._cannot_wait(row["severity"]))
        ]
        # Later than what was put in just now, since it is what receivers know last.
        self.put_alerts(connection, urgent, now_ms + 1)

    def put_cases(self, connection: Connection, cases: Sequence[Case], now_ms: int) -> None:
        """Put in what receivers are to be told of cases as they are now."""
        ids = [case["case_id"] for case in cases]
        shown = _shown(connection, ids)
        cases = [{**case, **shown.get(case["case_id"], {})} for case in cases]
        _remove(connection, ids, _of.event != ESCALATED)
        _remove(connection, [case["case_id"] for case in cases if case["status"] != "open"], _of.event == ESCALATED)
        told, teams = _told(connection, ids), _teams(connection, cases)
        due: list[Message] = []
        for case in cases:
            try:
                known, team = told.get(case["case_id"], {}), teams.get(owner_of(case))
                found = messages(self._routing, case, known, now_ms, team=team)
            except _BROKEN:
                logger.exception("nobody is told of case %s", case["case_id"])
                continue
            due += found
        put(connection, _escalated_once(connection, due))

    def put_alerts(self, connection: Connection, alerts: Sequence[Mapping[str, Any]], now_ms: int) -> None:
        """Put in what alerts make due before the close that writes their cases."""
        of, ids = tables.cases.c, [alert["case_id"] for alert in alerts]
        rows = looked_up(connection, of.case_id, ids, of.case_id, of.payload)
        cases: dict[str, Case] = {row.case_id: json.loads(row.payload) for row in rows if row.payload is not None}
        told = _told(connection, ids)
        teams = _teams(connection, [cases.get(alert["case_id"], alert) for alert in alerts])
        due: list[Message] = []
        for alert in alerts:
            case, known = cases.get(alert["case_id"]), told.setdefault(alert["case_id"], {})
            try:
                team = teams.get(owner_of(case or alert))
                found = alert_messages(self._routing, case, alert, known, now_ms, team=team)
            except _BROKEN:
                logger.exception("nobody is told of alert %s", alert["alert_id"])
                continue
            known.update({message.receiver: message.told() for message in found if message.event != ESCALATED})
            due += found
        put(connection, _escalated_once(connection, due))

    def _cannot_wait(self, severity: str) -> bool:
        return any(self._routing.at_once(route, severity) for route in self._routing.routes)


def put(connection: Connection, due: Sequence[Message]) -> int:
    """Insert messages that are not there yet, and return how many those are."""
    known = {row[0] for row in looked_up(connection, _of.message_id, [each.message_id for each in due], _of.message_id)}
    new = {each.message_id: _row(each) for each in due if each.message_id not in known}
    if new:
        connection.execute(insert(tables.outbox), list(new.values()))
    return len(new)


def _shown(connection: Connection, case_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What cases say by their alerts now; records of commands have that of the last close."""
    of = tables.cases.c
    found = looked_up(connection, of.case_id, case_ids, of.case_id, *(of[name] for name in SHOWN))
    return {row.case_id: {name: getattr(row, name) for name in SHOWN} for row in found if row.lead_alert_id}


def _remove(connection: Connection, case_ids: Sequence[str], which: ColumnElement[bool]) -> None:
    untouched = and_(_of.state == WAITING, _of.attempts == 0)
    for some in in_parts(case_ids):
        connection.execute(delete(tables.outbox).where(_of.topic_key.in_(some), untouched, which))


def _escalated_once(connection: Connection, due: Sequence[Message]) -> list[Message]:
    """Messages without escalations of cases that are being escalated already: the time counts from the first news."""
    ids = [each.topic_key for each in due if each.event == ESCALATED]
    waiting = {
        row.topic_key
        for row in looked_up(connection, _of.topic_key, ids, _of.topic_key, _of.event, _of.state)
        if row.event == ESCALATED and row.state == WAITING
    }
    return [each for each in due if each.event != ESCALATED or each.topic_key not in waiting]


def _told(connection: Connection, case_ids: Sequence[str]) -> dict[str, dict[str, Told]]:
    """What each receiver knows of each case: what it was told last, or will be."""
    query = (
        select(_of.topic_key, _of.receiver, _of.body, _of.digest, _of.state)
        .where(or_(_of.event != ESCALATED, _of.attempts > 0))
        .order_by(_of.revision, _of.created_ms)
    )
    told: dict[str, dict[str, Told]] = {}
    for some in in_parts(case_ids):
        for row in connection.execute(query.where(_of.topic_key.in_(some))):
            alone = row.digest is None and row.state != DROPPED
            told.setdefault(row.topic_key, {})[row.receiver] = told_by(json.loads(row.body), alone=alone)
    return told


def _teams(connection: Connection, cases: Sequence[Case]) -> dict[str | None, str]:
    of, owners = tables.teams.c, sorted({owner for each in cases if (owner := owner_of(each))})
    return {row.owner: row.team for row in looked_up(connection, of.owner, owners, of.owner, of.team)}


def _row(message: Message) -> dict[str, Any]:
    body = json.dumps(message.body, ensure_ascii=False, separators=(",", ":"))
    return asdict(message) | {"body": body, "attempts": 0}
