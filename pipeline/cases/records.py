"""Case records: a function of the case, of its account's context, and of the last close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.alerts.case_ids import SHADOW, case_id
from pipeline.alerts.records import Alerting, alert_id
from pipeline.books.book import Book
from pipeline.books.cases import Case, Seen, Suppressed
from pipeline.cases.priority import NOTHING, Priority, priority
from pipeline.terms.kind import Kind
from schemas.accounts import of_fleet
from schemas.event_types import ALERT_SEVERITIES
from schemas.topics import DAY_MS


@dataclass(frozen=True, slots=True)
class Desk:
    """What all cases are written with."""

    alerting: Alerting
    kinds: Mapping[str, Kind]

    def step(self, case: Case) -> dict[str, Any] | None:
        """The play of the first alert whose play is not done."""
        for seen in _told(case.alerts):
            play = self.kinds[seen.kind].play
            if play.id not in case.steps_done:
                return {"id": play.id, "title": play.title, "due_at": seen.detected_at_ms + play.days * DAY_MS}
        return None

    def judge(self, account_id: str, book: Book, case: Case, now_ms: int) -> Priority:
        """Bring priority and overdue of a case up to date, as of the last close."""
        step = self.step(case) if case.closed_ms is None else None
        case.overdue = step is not None and step["due_at"] < now_ms
        told = _told(case.alerts) if case.closed_ms is None else []
        if not told:
            case.priority = 0
            return NOTHING
        found = priority(told[0], book.context, now_ms, overdue=case.overdue, of_all=of_fleet(account_id))
        case.priority = found.value
        return found

    def record(self, account_id: str, book: Book, key: str, now_ms: int, *, by_command: bool) -> dict[str, Any]:
        """The record of the case under a key, as in schemas/case.avsc; `now_ms` is the end of the last closed day."""
        case, context = book.cases[key], book.context
        parts, step = self.judge(account_id, book, case, now_ms), self.step(case)
        told, lead, said = _told(case.alerts), case.lead, case.said
        subject = key.removeprefix(SHADOW)
        return {
            "case_id": case_id(account_id, key, case.opened_day),
            "revision": case.records,
            "account_id": account_id,
            "account_name": context.name,
            "subject": subject,
            "status": case.status,
            "opened_at": case.opened_ms,
            "updated_at": case.updated_ms,
            "closed_at": case.closed_ms,
            "lead_alert_id": None if lead is None else _id(account_id, lead),
            "lead_kind": None if lead is None else lead.kind,
            "severity": "info" if lead is None else lead.severity,
            "summary": "" if lead is None else _summary(lead) or "",
            "alerts": [_alert(account_id, seen) for seen in case.alerts],
            "alert_count": len(told),
            "priority": case.priority,
            "priority_parts": parts._asdict(),
            "arr_minor": context.arr_minor,
            "currency": context.currency,
            "arr_at_risk_minor": context.arr_minor if subject == "risk" and told else None,
            "renewal_at": context.renewal_at_ms,
            "segment": context.segment,
            "owner": context.owner,
            "assignee": case.assignee,
            "step": step if case.closed_ms is None else None,
            "cause": "command" if by_command else "close",
            "overdue": case.overdue,
            "acknowledged_by": case.acknowledged_by,
            "acknowledged_at": case.acknowledged_ms,
            "snoozed_until": case.snoozed_until_ms,
            "snooze_reason": case.snooze_reason,
            "outcome": case.outcome,
            "closed_by": case.closed_by,
            "steps_done": list(case.steps_done),
            "last_command": None
            if said is None
            else {
                "command_id": said.command_id,
                "action": said.action,
                "author": said.author,
                "at": said.at_ms,
                "note": said.note,
            },
            "suppressed": [self._suppressed(each) for each in book.suppressed] if subject == "risk" else [],
            "config_hash": self.alerting.config_hash,
            "shadow": key.startswith(SHADOW),
        }

    def _suppressed(self, each: Suppressed) -> dict[str, Any]:
        since_ms = self.alerting.days.start_ms(each.since_day)
        return {"kind": each.kind, "by": each.by, "by_alert": each.by_alert, "since": since_ms, "until": None}


def by_gravity(seen: Seen) -> tuple[bool, int, int, str, str]:
    """Muted ones last; the most severe first, of several the one that began first."""
    return seen.muted, -ALERT_SEVERITIES.index(seen.severity), seen.starts_at_ms, seen.kind, seen.dimension


def _told(alerts: Sequence[Seen]) -> list[Seen]:
    return [seen for seen in alerts if not seen.muted]


def _id(account_id: str, seen: Seen) -> str:
    return str(alert_id(account_id, seen.kind, seen.dimension, seen.starts_at_ms))


def _summary(seen: Seen) -> str | None:
    return seen.summary or None


def _alert(account_id: str, seen: Seen) -> dict[str, Any]:
    return {
        "alert_id": _id(account_id, seen),
        "kind": seen.kind,
        "dimension": seen.dimension,
        "severity": seen.severity,
        "since": seen.starts_at_ms,
        "summary": _summary(seen),
        "muted": seen.muted,
    }
