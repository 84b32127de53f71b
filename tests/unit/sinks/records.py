"""Output records as the pipeline makes them, with what a test cares about replaced."""

from __future__ import annotations

import uuid
from typing import Any

from schemas.definitions import current
from sinks.delivery import PROJECTIONS, Advance, DeliveryBatch, DeliveryRecord

ALERTS = "alerts.health"
HEALTH = "account.health"
DAY_MS = 86_400_000
_NAMESPACE = uuid.UUID("6f1c2a52-9f0e-4a57-8f5b-1c1d6a3f0a11")


def alert_id(account_id: str, kind: str = "usage_drop") -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{account_id}|{kind}"))


def alert(account_id: str = "acme", revision: int = 1, **changes: Any) -> dict[str, Any]:
    kind = changes.get("kind", "usage_drop")
    return {
        "alert_id": alert_id(account_id, kind),
        "revision": revision,
        "status": "firing",
        "transition_reason": "detected",
        "shadow": False,
        "account_id": account_id,
        "parent_account_id": None,
        "family": "risk",
        "kind": kind,
        "dimension": "total_usage",
        "level": "basic",
        "severity": "error",
        "score": 0.93,
        "starts_at": 100 * DAY_MS,
        "ends_at": None,
        "detected_at": 101 * DAY_MS,
        "updated_at": (100 + revision) * DAY_MS,
        "onset": None,
        "signal": {
            "metric": "actions_7d",
            "unit": "actions",
            "direction": "down",
            "observed": 31.0,
            "expected": 100.0,
            "change_pct": -69.0,
            "window_start": 94 * DAY_MS,
            "window_end": 101 * DAY_MS,
            "currency": None,
        },
        "dimensions": [
            {
                "name": "total_usage",
                "observed": 31.0,
                "expected": 100.0,
                "change_pct": -69.0,
                "evidence": 9.5,
                "weight": 5,
                "contribution_pct": 80.0,
                "state": "down",
            },
            {
                "name": "tickets",
                "observed": 1.0,
                "expected": 1.1,
                "change_pct": None,
                "evidence": None,
                "weight": 4,
                "contribution_pct": None,
                "state": "flat",
            },
        ],
        "evidence": {
            "method": "nb_shiryaev_roberts",
            "method_version": 1,
            "value": 9.5,
            "threshold": 7.94,
            "arl_days": 2800.0,
            "expected_false_alerts_per_owner_week": 1.0,
            "baseline_days": 56,
            "provisional": False,
        },
        "top_contributors": [
            {"kind": "contact", "ref": "ida", "change": None, "last_active_at": None},
            {"kind": "feature", "ref": "export", "change": -4.0, "last_active_at": 93 * DAY_MS},
        ],
        "health": None,
        "context": context(),
        "owner": "csm-17",
        "play": {"id": "usage-review", "title": "Call the champion", "due_at": 104 * DAY_MS},
        "summary": f"{account_id}: usage fell by 69 %",
        "description": "Seven days brought 31 actions where 100 were expected.",
        "config_hash": "0" * 16,
        "benchmark": {
            "segment": "mid-market",
            "segment_median_change_pct": -2.0,
            "fleet_factor": 1.0,
            "percentile": 3.5,
        },
        "points": [],
        "joined": [],
        "due_at": None,
        "case_id": None,
        **changes,
    }


def health(account_id: str = "acme", day: int = 100, **changes: Any) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "as_of": (day + 1) * DAY_MS,
        "day": day,
        "life": "active",
        "scorecard": "default",
        "version": 1,
        "score": 38.5,
        "band": "red",
        "previous_band": "yellow",
        "band_since": 99 * DAY_MS,
        "coverage": 0.8,
        "dimensions": [
            {
                "name": "usage_trend",
                "group": "product",
                "weight": 5,
                "value": 0.2,
                "observed": 31.0,
                "expected": 100.0,
                "contribution": 4.0,
            },
            {
                "name": "sentiment",
                "group": "relationship",
                "weight": 3,
                "value": None,
                "observed": None,
                "expected": None,
                "contribution": None,
            },
        ],
        "monitorability": {"min_drop_7d": 0.5, "min_drop_14d": 0.35, "min_drop_28d": None},
        "provisional": False,
        "context": context(),
        "owner": "csm-17",
        **changes,
    }


def case(case_id: str = "case-1", revision: int = 1, **changes: Any) -> dict[str, Any]:
    known = {field["name"]: field.get("default") for field in current("case")["fields"]}
    return known | {
        "case_id": case_id,
        "revision": revision,
        "account_id": "acme",
        "subject": "risk",
        "status": "open",
        "opened_at": 101 * DAY_MS,
        "updated_at": (101 + revision) * DAY_MS,
        "lead_alert_id": alert_id("acme"),
        "lead_kind": "usage_drop",
        "severity": "error",
        "summary": "acme: usage fell by 69 %",
        "alerts": [],
        "alert_count": 1,
        "priority": 40,
        "priority_parts": {"sureness": 0.8, "stake": 0.5, "urgency": 1.0},
        "segment": "mid_market",
        "owner": "csm-17",
        "step": {"id": "usage-review", "title": "Call the champion", "due_at": 104 * DAY_MS},
        "cause": "close",
        "overdue": False,
        "steps_done": [],
        "suppressed": [],
        "config_hash": "0" * 16,
        **changes,
    }


def chance(probability: float, layer: str = "fleet", **changes: Any) -> dict[str, Any]:
    layers = {"stated": 0.04, "fleet": 0.05, "learned": 0.06}
    return {
        "probability": probability,
        "low": probability / 2,
        "high": min(1.0, 2 * probability),
        "common_doubt": 0.4,
        "layer": layer,
        "version": 3,
        "learned_through": 90,
        "outcomes": 71,
        "because": "silent +1.8",
        "layers": layers | {layer: probability},
        **changes,
    }


def outlook(churn: float, renewal_at: int | None = None, layer: str = "fleet") -> dict[str, Any]:
    return {
        "basis": "billing",
        "renewal_at": renewal_at,
        "churn": chance(churn, layer),
        "contraction": chance(0.03),
        "expansion": chance(0.02, "stated", because=""),
    }


def context() -> dict[str, Any]:
    return {
        "segment": "mid_market",
        "lifecycle_stage": "adoption",
        "stage_since": 40 * DAY_MS,
        "touch_model": "high",
        "plan": "team",
        "arr_minor": 4_800_000,
        "currency": "EUR",
        "renewal_at": 150 * DAY_MS,
        "days_to_renewal": 49,
        "arr_at_risk_minor": 4_800_000,
        "arr_by_currency": None,
    }


def record(value: dict[str, Any], offset: int = 0, partition: int = 0) -> DeliveryRecord:
    said_by = {"result": "command.results", "action": "alert.commands", "subject": "cases", "alert_id": ALERTS}
    topic = next((topic for name, topic in said_by.items() if name in value), HEALTH)
    return DeliveryRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        projection=PROJECTIONS[topic],
        value=value,
    )


def batch(*values: dict[str, Any], old: int | None = None, topic: str = ALERTS) -> DeliveryBatch:
    """Make a batch of partition 0 that starts where `old` says."""
    start = old or 0
    records = [record(value, offset) for offset, value in enumerate(values, start)]
    return DeliveryBatch(records, [Advance(topic, 0, old, start + len(values))])
