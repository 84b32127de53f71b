"""Case records for tests of what is done with them."""

from __future__ import annotations

from typing import Any


def minutes_ms(minutes: float) -> int:
    return int(minutes * 60_000)


def case(**changed: Any) -> dict[str, Any]:
    """An open risk case of a customer with a name, an owner, money at stake and a next step."""
    of = {
        "case_id": "c1",
        "revision": 1,
        "account_id": "acme",
        "account_name": "Acme GmbH",
        "subject": "risk",
        "status": "open",
        "opened_at": 1_773_100_800_000,
        "updated_at": 1_773_100_800_000,
        "closed_at": None,
        "lead_alert_id": "a1",
        "lead_kind": "usage_decline",
        "severity": "error",
        "summary": "Usage fell by 40 %.",
        "alerts": [
            {"alert_id": "a1", "kind": "usage_decline", "dimension": "usage", "severity": "error",
             "since": 1_773_014_400_000, "summary": "Usage fell by 40 %.", "muted": False},
            {"alert_id": "a2", "kind": "silence", "dimension": "usage", "severity": "warning",
             "since": 1_773_014_400_000, "summary": "Quiet for a week.", "muted": False},
        ],
        "alert_count": 2,
        "priority": 61.5,
        "priority_parts": {"sureness": 0.9, "stake": 0.8, "urgency": 0.85},
        "arr_minor": 12_000_000,
        "currency": "EUR",
        "arr_at_risk_minor": 6_000_000,
        "renewal_at": 1_780_272_000_000,
        "segment": "enterprise",
        "owner": "ana",
        "assignee": None,
        "step": {"id": "call", "title": "Call the sponsor", "due_at": 1_773_273_600_000},
        "overdue": False,
        "acknowledged_by": None,
        "acknowledged_at": None,
        "snoozed_until": None,
        "snooze_reason": None,
        "outcome": None,
        "closed_by": None,
        "steps_done": [],
        "last_command": None,
        "suppressed": [],
        "config_hash": "0",
        "shadow": False,
    }  # fmt: skip
    return of | changed
