"""From a case, and what each receiver was last told of it, to the messages that are due.

What a receiver was told decides, not what the case was before: a change that nobody was told of in time is not told
when it is over. Ids are functions of receiver, case, event and revision, so the same record writes the same message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pipeline.notify.clock import date_of, next_time, quiet_until
from pipeline.notify.routing import NEVER, Case, Route, Routing, owner_of
from pipeline.notify.wording import Body, case_body, digest_body
from pipeline.terms.kind import severity_rises
from schemas.accounts import subject_of
from schemas.event_types import ALERT_SEVERITIES

NAMESPACE = uuid5(NAMESPACE_URL, "https://foreshock.example/messages")
NEWS = frozenset({"opened", "worsened", "reopened", "assigned", "overdue"})
"""Events that ask somebody to do something; the others say that it was done."""
ESCALATED = "escalated"
CANNOT_WAIT = "critical"
"""Quiet hours hold back what is less severe."""
WAITING, DROPPED = "waiting", "dropped"
AT_ONCE, DAILY = "at once", "digest"


@dataclass(frozen=True, slots=True)
class Told:
    """What a receiver knows of a case."""

    status: str
    severity: str
    owner: str | None
    overdue: bool
    at_once: bool
    """It was told in a message of its own."""


@dataclass(frozen=True, slots=True)
class Message:
    """One row of the outbox."""

    message_id: str
    receiver: str
    channel: str
    topic_key: str
    """What belongs together at the receiver: the case, or whose digest it is."""
    event: str
    revision: int
    body: Body
    created_ms: int
    not_before_ms: int
    digest: str | None = None
    """In whose digest it is to be told; None: it is a message of its own."""
    state: str = WAITING
    """`dropped`: the receiver has no need to be told."""

    def told(self) -> Told:
        """What the receiver knows of the case by it."""
        return told_by(self.body, alone=self.digest is None and self.state != DROPPED)


@dataclass(frozen=True, slots=True)
class Way:
    """What a route makes of a case: `mismatch` says why it does not take it."""

    route: Route
    mismatch: str | None
    how: str
    """`AT_ONCE`, `DAILY` or `NEVER`."""


def told_by(body: Body, *, alone: bool) -> Told:
    """What a receiver knows of a case by a message; `alone`: one of its own."""
    of = body["case"]
    return Told(of["status"], of["severity"], of["owner"], bool(of["overdue"]), alone)


def ways(routing: Routing, case: Case, team: str | None = None) -> list[Way]:
    """What each route makes of a case, in their order."""
    found = []
    for route in routing.routes:
        mismatch = route.mismatch(case, team)
        how = AT_ONCE if routing.at_once(route, case["severity"]) else DAILY if routing.daily(route) else NEVER
        found.append(Way(route, mismatch, NEVER if mismatch else how))
    return found


def messages(
    routing: Routing, case: Case, told: Mapping[str, Told], now_ms: int, *, team: str | None = None
) -> list[Message]:
    """What receivers are to be told of a case.

    Args:
        routing: the rules.
        case: the case as it is now.
        told: what each receiver knows of it.
        now_ms: the time of the clock on the wall.
        team: of the case's owner.
    """
    if case.get("shadow"):
        return []
    taken: dict[str, list[Way]] = {}
    for way in ways(routing, case, team):
        if way.how != NEVER:
            taken.setdefault(way.route.receiver, []).append(way)
    due = []
    for receiver in dict.fromkeys([*taken, *told]):
        if receiver in routing.channels:
            due += _to(routing, case, receiver, taken.get(receiver, []), told.get(receiver), now_ms)
    return due + _escalations(routing, case, due)


def _to(
    routing: Routing, case: Case, receiver: str, taken: Sequence[Way], told: Told | None, now_ms: int
) -> list[Message]:
    event = event_of(case, told)
    if event is None:
        return []
    owner, state, hours = owner_of(case), WAITING, [""]
    timezone = routing.timezone_of(owner)
    if event in NEWS:
        if not taken or now_ms - case["updated_at"] > routing.oldest_ms:
            return []
        at_once = [way.route for way in taken if way.how == AT_ONCE and event != "overdue"]
        if not at_once and not any(routing.daily(way.route) for way in taken):
            return []
        alone = bool(at_once)
        if case["severity"] != CANNOT_WAIT:
            hours = [routing.quiet if route.quiet is None else route.quiet for route in at_once]
    else:
        alone = told is not None and told.at_once
        # Who does something about a case knows it; that it ended by itself is news to its owner.
        if not alone and (event != "closed" or case.get("closed_by")):
            state = DROPPED
    if alone:
        # Of several routes to one receiver, the one that waits least.
        not_before_ms = min(quiet_until(now_ms, each, timezone) or now_ms for each in hours)
    else:
        not_before_ms = next_time(now_ms, routing.digest_at, timezone)
    digest = None if alone else owner or ""
    return [_message(routing, case, event, receiver, owner, now_ms, not_before_ms, digest=digest, state=state)]


def event_of(case: Case, told: Told | None) -> str | None:
    """What has happened to a case since a receiver was told of it last; None: nothing to tell."""
    status = case["status"]
    if told is None:
        return "opened" if status == "open" else None
    if status == "closed":
        return "closed" if told.status != "closed" else None
    if told.status != "closed" and severity_rises(told.severity, case["severity"]) and status != "snoozed":
        return "worsened"
    if status != told.status:
        # A snooze that is over, an acknowledgement taken back, a case that comes back: all ask for somebody again.
        return "reopened" if status == "open" else status if told.status != "closed" else None
    if status != "snoozed" and told.owner and owner_of(case) not in {told.owner, None}:
        return "assigned"
    return "overdue" if status == "open" and case.get("overdue") and not told.overdue else None


def _escalations(routing: Routing, case: Case, due: Sequence[Message]) -> list[Message]:
    """Messages that wait for the case not to be acknowledged; they are removed when it is."""
    to = routing.escalate_to
    news = [each for each in due if each.event in NEWS and each.digest is None]
    if not news or case["status"] != "open" or to not in routing.channels:
        return []
    first_ms = min(each.not_before_ms for each in news)
    chain: Sequence[str | None] = routing.managers_of(owner_of(case)) or [None]
    return [
        _message(
            routing, case, "escalated", to, manager, news[0].created_ms, first_ms + step * routing.escalate_after_ms,
            step=step,
        )
        for step, manager in enumerate(chain, start=1)
    ]  # fmt: skip


def _message(
    routing: Routing,
    case: Case,
    event: str,
    receiver: str,
    addressee: str | None,
    now_ms: int,
    not_before_ms: int,
    *,
    digest: str | None = None,
    state: str = WAITING,
    step: int = 0,
) -> Message:
    by = "alert_id" if "alert_id" in case else "case_id"
    revision = case["alert_revision" if by == "alert_id" else "revision"]
    return Message(
        message_id=message_id(receiver, f"{event}:{step}" if step else event, case[by], revision),
        receiver=receiver,
        channel=routing.channels[receiver],
        topic_key=case["case_id"],
        event=event,
        revision=case["revision"],
        body=case_body(routing, case, event, addressee),
        created_ms=now_ms,
        not_before_ms=not_before_ms,
        digest=digest,
        state=state,
    )


def message_id(receiver: str, event: str, of: str, revision: int | str) -> str:
    """The id under which a receiver is told of one event of a case, an alert or an owner, however often it is sent."""
    return str(uuid5(NAMESPACE, f"{receiver}|{of}|{event}|{revision}"))


def digest(
    routing: Routing, receiver: str, owner: str, items: Sequence[tuple[str, Body]], due_ms: int, now_ms: int
) -> Message:
    """One message instead of several: of an owner's cases, on the day (in the owner's time zone) that it was due."""
    day = date_of(due_ms, routing.timezone_of(owner))
    return Message(
        message_id=message_id(receiver, "digest", owner, day),
        receiver=receiver,
        channel=routing.channels[receiver],
        topic_key=f"digest:{owner}",
        event="digest",
        revision=0,
        body=digest_body(routing, owner or None, day, items),
        created_ms=now_ms,
        not_before_ms=now_ms,
    )


def alert_messages(
    routing: Routing,
    case: Case | None,
    alert: Mapping[str, Any],
    told: Mapping[str, Told],
    now_ms: int,
    *,
    team: str | None = None,
) -> list[Message]:
    """What an alert of the open day makes due that cannot wait for the close that writes its case.

    `case` is as of the last close, if there is one; without one, an alert that is over ends what it began. What can
    wait is told of the case.
    """
    late = case is not None and case["status"] == "closed" and alert["updated_at"] <= case["updated_at"]
    if alert.get("shadow") or late or (alert["status"] != "firing" and case is not None):
        return []
    found = messages(routing, _with_alert(case, alert), told, now_ms, team=team)
    return [each for each in found if each.digest is None]


def _with_alert(case: Case | None, alert: Mapping[str, Any]) -> Case:
    context = alert["context"]
    known: Case = case or {
        "case_id": alert["case_id"],
        "revision": 0,
        "status": "open",
        "account_id": alert["account_id"],
        "subject": subject_of(alert["family"], alert["account_id"]),
        "severity": ALERT_SEVERITIES[0],
        "opened_at": alert["detected_at"],
        "owner": alert.get("owner"),
        "alert_count": 1,
        "arr_at_risk_minor": context.get("arr_at_risk_minor"),
        **{name: context.get(name) for name in ("arr_minor", "currency", "renewal_at", "segment")},
    }
    is_firing = alert["status"] == "firing"
    graver = case is None or severity_rises(known["severity"], alert["severity"])
    if known["status"] != "closed" and not graver:
        return known
    return {
        **known,
        "status": "acknowledged" if known["status"] == "acknowledged" else "open" if is_firing else "closed",
        "severity": alert["severity"],
        "lead_kind": alert["kind"],
        "summary": alert["summary"],
        "step": alert["play"],
        "updated_at": alert["updated_at"],
        "closed_at": None if is_firing else alert["updated_at"],
        "alert_id": alert["alert_id"],
        "alert_revision": alert["revision"],
    }
