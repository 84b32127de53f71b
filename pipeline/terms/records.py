"""What crosses the border of the core: batches of decoded records in, outcomes out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pipeline.terms.fleet_day import FleetDay
from schemas.codec.batch import BadRecord, Batch, RecordKind

__all__ = ["BadRecord", "Batch", "DeadLetter", "Fate", "Outcome", "RecordKind"]


class Fate(StrEnum):
    """The one thing that happened to a record; all of them add up to the offsets."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    LATE_APPLIED = "late_applied"
    TOO_LATE = "too_late"
    DEAD_LETTERED = "dead_lettered"
    REROUTED = "rerouted"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A quarantined record: original bytes, coordinates and why."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    key: bytes | None
    value: bytes | None
    seen_at_ms: int


Inhibitor = Literal["feed", "fleet", "parent", "account", "expected"]
"""What keeps an alert closed, the widest first."""


@dataclass(slots=True)
class Outcome:
    """What applying records and closing days produced, in order."""

    alerts: list[dict[str, Any]] = field(default_factory=list)
    """Alert records as in schemas/alert.avsc."""
    cases: list[dict[str, Any]] = field(default_factory=list)
    """Case records as in schemas/case.avsc."""
    results: list[dict[str, Any]] = field(default_factory=list)
    """What became of commands, as in schemas/command_result.avsc."""
    health: list[dict[str, Any]] = field(default_factory=list)
    """Account health records as in schemas/account_health.avsc."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    days_closed: int = 0
    fleet_days: list[FleetDay] = field(default_factory=list)
    """For all partitions."""
    suppressed: Counter[Inhibitor] = field(default_factory=Counter)
    """Alerts that stayed closed, by what kept them so; once for each day."""

    @property
    def speaks(self) -> bool:
        """Whether there is a record for anybody."""
        return bool(self.alerts or self.cases or self.results or self.health or self.dead_letters)

    def extend(self, other: Outcome) -> None:
        """Append another outcome behind this one."""
        self.alerts += other.alerts
        self.cases += other.cases
        self.results += other.results
        self.health += other.health
        self.dead_letters += other.dead_letters
        self.days_closed += other.days_closed
        self.fleet_days += other.fleet_days
        self.suppressed.update(other.suppressed)
