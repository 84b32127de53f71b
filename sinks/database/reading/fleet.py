"""What happened to all accounts at once, and whose alerts it kept from opening."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from pipeline.fleet.alerts import FLEET_KINDS
from schemas.event_types import OPEN_CASES
from sinks.database import tables
from sinks.database.reading.scope import Owners, parsed, seen

_LISTED = 50
_ANY = '"suppressed":[{'
"""What the payload of a case says in which something was held back."""
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
class HeldBack:
    """An alert that did not open."""

    account_id: str
    account_name: str | None
    kind: str
    by: str
    """feed, fleet, parent, account or expected."""
    since_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fleet's alerts, the newest first, and what was held back in open cases."""

    alerts: tuple[FleetAlert, ...]
    held_back: tuple[HeldBack, ...]


def fleet(connection: Connection, owners: Owners) -> Fleet:
    """What happened to the fleet, and of the accounts that are meant what it held back."""
    of = tables.cases.c
    query = select(of.account_id, of.account_name, of.payload).where(
        of.status.in_(OPEN_CASES), ~of.shadow, seen(owners, of.owner, of.assignee)
    )
    # The newest cases: what lasts longer is told there, too.
    query = query.where(of.payload.contains(_ANY)).order_by(of.updated_at_ms.desc()).limit(_LISTED)
    held = [
        HeldBack(account_id, name, each["kind"], each["by"], each["since"], each.get("until"))
        for account_id, name, payload in connection.execute(query)
        for each in parsed(payload)["suppressed"]
    ]
    return Fleet(alerts(connection), tuple(held))


def alerts(connection: Connection, since_ms: int = 0) -> tuple[FleetAlert, ...]:
    """Alerts of the fleet and of segments, the newest first."""
    of = tables.alerts.c
    query = select(*(of[name] for name in _COLUMNS)).where(
        of.kind.in_([kind.name for kind in FLEET_KINDS]), of.detected_at_ms >= since_ms, ~of.shadow
    )
    found = connection.execute(query.order_by(of.detected_at_ms.desc(), of.alert_id).limit(_LISTED)).mappings()
    return tuple(FleetAlert(**row) for row in found)
