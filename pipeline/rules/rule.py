"""One row of the table of immediate rules."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.terms.kind import Family, Kind, Play

BILLING, TICKETS, SIGNALS = "billing.events", "ticket.events", "customer.signals"


@dataclass(frozen=True, slots=True)
class Rule:
    """One immediate rule; `key` says what the alert's dimension is."""

    kind: str
    topic: str
    severity: str
    opened_by: str
    condition: str
    key: str
    ended_by: tuple[str, ...]
    resolution: str
    play: Play
    summary: str
    family: Family = "risk"
    level: str = "basic"
    unit: str = "events"
    direction: str = "up"
    ladder: tuple[tuple[float, str], ...] = ()
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

    def severity_at(self, observed: float) -> str:
        """Severity for an observed value."""
        reached = [severity for value, severity in self.ladder if observed >= value]
        return reached[-1] if reached else self.severity

    def as_kind(self) -> Kind:
        """The kind of alert that the rule makes."""
        return Kind(
            self.family,
            self.severity,
            self.level,
            self.unit,
            self.direction,
            "fact",
            self.play,
            self.summary,
            immediate=True,
            condition=self.condition,
            resolution=self.resolution,
        )
