"""The outbox, for those who send what the writer has put in."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, and_, case, delete, exists, func, or_, select, update

from pipeline.notify.deciding import WAITING, digest
from pipeline.notify.routing import Routing
from sinks.database import tables
from sinks.database.engine import SQLITE, open_engine
from sinks.database.failures import failures_translated
from sinks.database.grouping import in_parts
from sinks.database.messages import put

SENT, FAILED = "sent", "failed"
_DIGESTS = 0x666F7265
"""Number of the advisory lock of whoever makes digests."""
_DAY_MS = 86_400_000
_rows = tables.outbox
_of = _rows.c


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
        """Make one message of what each owner's digest is to tell by now; returns how many.

        Nobody makes any while another process does: each would have a part of the rows.
        """
        query = (
            select(_rows)
            .where(_of.state == WAITING, _of.digest.is_not(None), _of.not_before_ms <= now_ms)
            .where(_of.receiver.in_(list(routing.channels)))
            .order_by(_of.receiver, _of.digest, _of.created_ms)
            .with_for_update(skip_locked=True)
        )
        made = 0
        with self._transaction() as connection:
            if not _is_alone(connection):
                return 0
            for (receiver, owner), rows in groupby(connection.execute(query), lambda row: (row.receiver, row.digest)):
                items = list(rows)
                told = [(row.event, json.loads(row.body)) for row in items]
                message = digest(routing, receiver, owner, told, max(row.not_before_ms for row in items), now_ms)
                values: dict[str, object] = {"state": SENT, "sent_ms": now_ms, "external_ref": message.message_id}
                if not put(connection, [message]):
                    # There was one of that day already.
                    values = {"not_before_ms": now_ms + _DAY_MS}
                made += "state" in values
                ids = [row.message_id for row in items]
                for some in in_parts(ids):
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


def _is_alone(connection: Connection) -> bool:
    """Whether no other transaction makes digests; on SQLite none can."""
    if connection.dialect.name == SQLITE:
        return True
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(_DIGESTS))))
