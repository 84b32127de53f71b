"""Cases as the core would make them of alert records, for those who look at databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from schemas.accounts import subject_of
from schemas.event_types import ALERT_SEVERITIES

Record = Mapping[str, Any]
OPEN = ("firing", "acknowledged", "snoozed")


def case_id(account_id: str, subject: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{account_id}|{subject}"))


def case_of(alerts: Sequence[Record], **changes: Any) -> dict[str, Any]:
    """A case whose alerts these are; the surest leads."""
    lead = max(alerts, key=lambda alert: alert["score"])
    subject = subject_of(lead["family"], lead["account_id"])
    context, play = lead["context"], lead["play"]
    standing = any(alert["status"] in OPEN for alert in alerts)
    name = lead["summary"].partition(": ")[0]
    record = {
        "case_id": case_id(lead["account_id"], subject),
        "revision": 1,
        "cause": "close",
        "account_id": lead["account_id"],
        "account_name": name,
        "subject": subject,
        "status": "open" if standing else "closed",
        "opened_at": min(alert["detected_at"] for alert in alerts),
        "updated_at": max(alert["updated_at"] for alert in alerts),
        "closed_at": None if standing else max(alert["updated_at"] for alert in alerts),
        "lead_alert_id": lead["alert_id"],
        "lead_kind": lead["kind"],
        "severity": max((alert["severity"] for alert in alerts), key=ALERT_SEVERITIES.index),
        "summary": lead["summary"],
        "alerts": [
            {
                **{each: alert[each] for each in ("alert_id", "kind", "dimension", "severity", "summary")},
                "since": alert["starts_at"],
                "muted": False,
            }
            for alert in alerts
        ],
        "alert_count": len(alerts),
        "priority": round(5 * lead["score"]),
        "priority_parts": {"sureness": lead["score"] / 20, "stake": 1.0, "urgency": 1.0},
        **{each: context.get(each) for each in ("arr_minor", "currency", "arr_at_risk_minor", "renewal_at", "segment")},
        "owner": lead.get("owner"),
        "assignee": None,
        "step": {each: play[each] for each in ("id", "title", "due_at")},
        "overdue": False,
        **dict.fromkeys(("acknowledged_by", "acknowledged_at", "snoozed_until", "snooze_reason", "outcome")),
        "closed_by": None,
        "steps_done": [],
        "last_command": None,
        "suppressed": [],
        "config_hash": lead["config_hash"],
        "shadow": False,
    }
    return record | changes


def cases_of(alerts: Sequence[Record]) -> list[dict[str, Any]]:
    """A case for each account and subject."""
    grouped: dict[tuple[str, str], list[Record]] = {}
    for alert in alerts:
        grouped.setdefault((alert["account_id"], subject_of(alert["family"], alert["account_id"])), []).append(alert)
    return [case_of(group) for group in grouped.values()]
