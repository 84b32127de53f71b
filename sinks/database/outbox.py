"""The outbox: what the writer's transaction puts in, and what senders take out.

A row that nobody has tried to send is replaced when its case changes again; from the first try on it stays until it
is sent or refused, so that a receiver sees the events of a case in their order.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, and_, case, delete, exists, func, insert, or_, select, update

from pipeline.notify.deciding import (
    DROPPED,
    ESCALATED,
    WAITING,
    Message,
    Told,
    alert_messages,
    digest,
    messages,
    told_by,
)
from pipeline.notify.routing import Case, Routing, owner_of
from sinks.database import tables
from sinks.database.engine import open_engine
from sinks.database.failures import failures_translated

SENT, FAILED = "sent", "failed"
STATES = (WAITING, SENT, FAILED, DROPPED)
_DAY_MS = 86_400_000
_LOOK_UP = 500
_rows = tables.outbox
_of = _rows.c
_untouched = and_(_of.state == WAITING, _of.attempts == 0)


# In the writer's transaction


def put_cases(connection: Connection, routing: Routing, cases: Sequence[Case], now_ms: int) -> int:
    """Put in what receivers are to be told of cases as they are now, and return how much that is."""
    due: list[Message] = []
    for some in _in_parts(cases):
        ids = [each["case_id"] for each in some]
        connection.execute(delete(_rows).where(_of.topic_key.in_(ids), _untouched, _of.event != ESCALATED))
        told, teams = _told(connection, ids), _teams(connection, some)
        for each in some:
            team = teams.get(owner_of(each))
            found = messages(routing, each, told.get(each["case_id"], {}), now_ms, team=team)
            if each["status"] != "open" or any(message.event == ESCALATED for message in found):
                of_it = (_of.topic_key == each["case_id"], _of.event == ESCALATED)
                connection.execute(delete(_rows).where(*of_it, _untouched))
            due += found
    return _put(connection, due)


def put_alerts(
    connection: Connection,
    routing: Routing,
    alerts: Sequence[Mapping[str, Any]],
    cases: Mapping[str, Case],
    now_ms: int,
) -> int:
    """Put in what alerts make due before the close that writes their cases; `cases` are those of the last close."""
    due: list[Message] = []
    for some in _in_parts(alerts):
        told, teams = _told(connection, [each["case_id"] for each in some]), _teams(connection, some)
        for alert in some:
            known = told.setdefault(alert["case_id"], {})
            of = cases.get(alert["case_id"])
            team = teams.get(owner_of(of or alert))
            found = alert_messages(routing, of, alert, known, now_ms, team=team)
            known.update({each.receiver: each.told() for each in found if each.event != ESCALATED})
            due += found
    return _put(connection, due)


def _in_parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _LOOK_UP):
        yield items[start : start + _LOOK_UP]


def _told(connection: Connection, case_ids: Sequence[str]) -> dict[str, dict[str, Told]]:
    """What each receiver knows of each case: what it was told last, or will be."""
    query = (
        select(_of.topic_key, _of.receiver, _of.body, _of.digest, _of.state)
        .where(_of.topic_key.in_(case_ids), or_(_of.event != ESCALATED, _of.attempts > 0))
        .order_by(_of.revision, _of.created_ms)
    )
    told: dict[str, dict[str, Told]] = {}
    for row in connection.execute(query):
        alone = row.digest is None and row.state != DROPPED
        told.setdefault(row.topic_key, {})[row.receiver] = told_by(json.loads(row.body), alone=alone)
    return told


def _teams(connection: Connection, cases: Sequence[Case]) -> dict[str | None, str]:
    of = tables.teams.c
    owners = {owner for each in cases if (owner := owner_of(each))}
    found = connection.execute(select(of.owner, of.team).where(of.owner.in_(sorted(owners))))
    return {row.owner: row.team for row in found}


def _put(connection: Connection, due: Sequence[Message]) -> int:
    """Insert the messages that are not there yet."""
    known: set[str] = set()
    for some in _in_parts(due):
        ids = [each.message_id for each in some]
        known.update(connection.execute(select(_of.message_id).where(_of.message_id.in_(ids))).scalars())
    new = {each.message_id: _row(each) for each in due if each.message_id not in known}
    if new:
        connection.execute(insert(_rows), list(new.values()))
    return len(new)


def _row(message: Message) -> dict[str, Any]:
    body = json.dumps(message.body, ensure_ascii=False, separators=(",", ":"))
    return asdict(message) | {"body": body, "attempts": 0}


# For those who send


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that is ours to send until the lease ends."""

    message_id: str
    topic_key: str
    event: str
    body: Mapping[str, Any]
    created_ms: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a receiver has still to be told."""

    waiting: int
    oldest_due_ms: int
    """Since when the first of it is due."""


class Outbox:
    """The outbox of a database; for any thread. All of it raises SinkUnavailableError while the database is away."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self._engine = open_engine(url, writer=True, timeout_s=timeout_s)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def take(self, receiver: str, now_ms: int, lease_ms: int) -> Taken | None:
        """Take the next message that is due, and count the try; it comes again unless it is settled in time."""
        earlier = _rows.alias()
        before = and_(
            earlier.c.topic_key == _of.topic_key,
            earlier.c.receiver == _of.receiver,
            earlier.c.state == WAITING,
            earlier.c.digest.is_(None),
            or_(earlier.c.attempts > 0, earlier.c.not_before_ms <= now_ms),
            or_(
                earlier.c.revision < _of.revision,
                and_(earlier.c.revision == _of.revision, earlier.c.created_ms < _of.created_ms),
            ),
        )
        due = (_of.receiver == receiver, _of.state == WAITING, _of.digest.is_(None), _of.not_before_ms <= now_ms)
        query = (
            select(_rows)
            .where(*due, ~exists().where(before))
            # One that fails again and again holds up no other: it is due later each time.
            .order_by(_of.not_before_ms, _of.created_ms)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._transaction() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            values = {"attempts": row.attempts + 1, "not_before_ms": now_ms + lease_ms}
            connection.execute(update(_rows).where(_of.message_id == row.message_id).values(values))
        body = json.loads(row.body)
        return Taken(row.message_id, row.topic_key, row.event, body, row.created_ms, row.attempts + 1)

    def sent(self, message_id: str, now_ms: int) -> None:
        """A receiver has it for good."""
        self._settle(message_id, state=SENT, sent_ms=now_ms, last_error=None)

    def later(self, message_id: str, not_before_ms: int, error: str) -> None:
        """It is to be tried again then."""
        self._settle(message_id, not_before_ms=not_before_ms, last_error=error)

    def failed(self, message_id: str, error: str) -> None:
        """A receiver refuses it for good."""
        self._settle(message_id, state=FAILED, last_error=error)

    def _settle(self, message_id: str, **values: object) -> None:
        with self._transaction() as connection:
            connection.execute(update(_rows).where(_of.message_id == message_id, _of.state == WAITING).values(values))

    def make_digests(self, routing: Routing, now_ms: int) -> int:
        """Make one message of what each owner's digest is to tell by now; returns how many."""
        query = (
            select(_rows)
            .where(_of.state == WAITING, _of.digest.is_not(None), _of.not_before_ms <= now_ms)
            .where(_of.receiver.in_(list(routing.channels)))
            .order_by(_of.receiver, _of.digest, _of.created_ms)
            .with_for_update(skip_locked=True)
        )
        made = 0
        with self._transaction() as connection:
            for (receiver, owner), rows in groupby(connection.execute(query), lambda row: (row.receiver, row.digest)):
                items = list(rows)
                told = [(row.event, json.loads(row.body)) for row in items]
                message = digest(routing, receiver, owner, told, max(row.not_before_ms for row in items), now_ms)
                values: dict[str, object] = {"state": SENT, "sent_ms": now_ms, "external_ref": message.message_id}
                if not _put(connection, [message]):
                    # There was one of that day already.
                    values = {"not_before_ms": now_ms + _DAY_MS}
                made += "state" in values
                ids = [row.message_id for row in items]
                for some in _in_parts(ids):
                    connection.execute(update(_rows).where(_of.message_id.in_(some)).values(values))
        return made

    def prune(self, before_ms: int) -> int:
        """Remove what was settled before a time; of cases that are open, what receivers know stays."""
        is_open = exists().where(tables.cases.c.case_id == _of.topic_key, tables.cases.c.status != "closed")
        old = (_of.created_ms < before_ms, _of.state != WAITING, ~is_open)
        with self._transaction() as connection:
            return connection.execute(delete(_rows).where(*old)).rowcount

    def backlog(self, receivers: Collection[str], now_ms: int) -> dict[str, Backlog]:
        """What is due and not sent, of each receiver."""
        query = (
            select(
                _of.receiver,
                func.count(),
                func.min(func.coalesce(case((_of.attempts > 0, _of.created_ms)), _of.not_before_ms)),
            )
            .where(_of.state == WAITING, _of.digest.is_(None))
            .where(or_(_of.not_before_ms <= now_ms, _of.attempts > 0))
            .group_by(_of.receiver)
        )
        with self._transaction() as connection:
            found = {receiver: Backlog(count, oldest) for receiver, count, oldest in connection.execute(query)}
        return {receiver: found.get(receiver, Backlog(0, now_ms)) for receiver in receivers}

    def listed(self, states: Collection[str], most: int) -> list[dict[str, Any]]:
        """Rows in some states without their bodies, the newest first."""
        columns = [column for column in _rows.columns if column.name != "body"]
        query = select(*columns).where(_of.state.in_(list(states))).order_by(_of.created_ms.desc(), _of.message_id)
        with self._transaction() as connection:
            return [dict(row) for row in connection.execute(query.limit(most)).mappings()]

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with failures_translated(self._engine), self._engine.begin() as connection:
            yield connection
