"""Case records with everything that a message can tell of."""

from __future__ import annotations

from typing import Any

from tests.unit.sinks import records


def case(**changed: Any) -> dict[str, Any]:
    """An open risk case of a customer with a name, an owner, money at stake and a next step."""
    of: dict[str, Any] = {
        "case_id": "c1",
        "account_name": "Acme GmbH",
        "opened_at": 1_773_100_800_000,
        "updated_at": 1_773_100_800_000,
        "lead_kind": "usage_decline",
        "summary": "Usage fell by 40 %.",
        "alerts": [
            {"alert_id": f"a{n}", "kind": kind, "dimension": "usage", "severity": "error",
             "since": 1_773_014_400_000, "summary": None, "muted": False}
            for n, kind in enumerate(("usage_decline", "silence"))
        ],
        "alert_count": 2,
        "arr_minor": 12_000_000,
        "currency": "EUR",
        "arr_at_risk_minor": 6_000_000,
        "renewal_at": 1_780_272_000_000,
        "segment": "enterprise",
        "owner": "ana",
        "step": {"id": "call", "title": "Call the sponsor", "due_at": 1_773_273_600_000},
    }  # fmt: skip
    return records.case(**(of | changed))
