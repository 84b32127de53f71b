"""What happened to all accounts at once, and whose alerts it kept from opening."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from pipeline.fleet.alerts import FLEET_KINDS
from sinks.database import tables

_LISTED = 50
_COLUMNS = (
    "alert_id", "account_id", "kind", "status", "severity", "starts_at_ms", "ends_at_ms", "detected_at_ms",
    "observed", "expected", "change_pct", "unit", "summary",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FleetAlert:
    """A dip, an outage or another thing of the fleet or of a segment."""

    alert_id: str
    account_id: str
    """Of the fleet or of a segment."""
    kind: str
    status: str
    severity: str
    starts_at_ms: int
    ends_at_ms: int | None
    detected_at_ms: int
    observed: float | None
    expected: float | None
    change_pct: float | None
    unit: str
    summary: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fleet's alerts, the newest first, and what they held back."""

    alerts: tuple[FleetAlert, ...]
    held_back: tuple[tuple[str, Mapping[str, Any]], ...]
    """Accounts, and of each one alert that did not open: kind, what by, since and until."""


def fleet(connection: Connection) -> Fleet:
    """Of those who see all accounts."""
    return Fleet(alerts(connection), ())


def alerts(connection: Connection, since_ms: int = 0) -> tuple[FleetAlert, ...]:
    """Alerts of the fleet and of segments, the newest first."""
    of = tables.alerts.c
    query = select(*(of[name] for name in _COLUMNS)).where(
        of.kind.in_([kind.name for kind in FLEET_KINDS]), of.detected_at_ms >= since_ms, ~of.shadow
    )
    found = connection.execute(query.order_by(of.detected_at_ms.desc(), of.alert_id).limit(_LISTED)).mappings()
    return tuple(FleetAlert(**row) for row in found)
