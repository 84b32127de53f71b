"""One row of the table of immediate rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.terms.kind import Family, Kind, Level, Scope, Severity

BILLING, TICKETS, SIGNALS = "billing.events", "ticket.events", "customer.signals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Kind):
    """One immediate rule, which is the kind of alert that it makes; its dimension is what the fact names."""

    topic: str
    opened_by: str
    ended_by: tuple[str, ...]
    scope: Scope = "other"
    family: Family = "risk"
    level: Level = "basic"
    unit: str = "events"
    direction: Literal["up", "down"] = "up"
    method: str = "fact"
    immediate: bool = True
    ladder: tuple[tuple[float, Severity], ...] = ()
    """Severities from an observed value on, in rising order; below the first the rule's own."""
    days: int | None = 84
    """Ends by itself at the close of the day so many days after the one it began on."""
    repeats: bool = False
    """Whether the fact once more, while the alert is open, updates it."""
    regained: bool = False
    """Whether what ends it must also have come back to what was expected."""
    backdated: bool = False
    """Whether what ends it may be older than its beginning, which was a deadline."""
    remembered: bool = True
    """Whether an ending holds against older facts that come after it; else the book sees to that."""

    def severity_at(self, observed: float) -> Severity:
        """Severity for an observed value."""
        reached = [severity for value, severity in self.ladder if observed >= value]
        return reached[-1] if reached else self.severity
