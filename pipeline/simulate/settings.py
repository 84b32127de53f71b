"""What a simulation is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from pipeline.scoring.labels import ACCOUNT_INCIDENTS, FLEET_INCIDENTS, QUIET_INCIDENTS
from schemas.topics import DAY_MS

ALL_KINDS = (*ACCOUNT_INCIDENTS, *QUIET_INCIDENTS, *FLEET_INCIDENTS)


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """Size, seed and incidents of a simulated stream; the same settings always give the same stream.

    Incidents begin on `first_incident_day` of the stream or later, when baselines exist; a shorter stream is
    calm. At most half of the accounts have an incident: with few accounts there are fewer of each kind.

    Raises:
        ValueError: a number is out of range or a kind is unknown.
    """

    seed: int = 7
    accounts: int = 200
    days: int = 120
    start_date: date = date(2026, 1, 5)
    """First day; a Monday unless chosen otherwise."""
    incidents_per_kind: int = 4
    """Accounts with an incident of each kind."""
    fleet_incidents_per_kind: int = 1
    kinds: tuple[str, ...] = ALL_KINDS
    first_incident_day: int = 76

    def __post_init__(self) -> None:
        bounds = {
            "seed": (self.seed, 0, 2**63 - 1),
            "accounts": (self.accounts, 1, 1_000_000),
            "days": (self.days, 1, 3650),
            "incidents_per_kind": (self.incidents_per_kind, 0, 1_000_000),
            "fleet_incidents_per_kind": (self.fleet_incidents_per_kind, 0, 1000),
            "first_incident_day": (self.first_incident_day, 0, 3650),
        }
        problems = [
            f"{name} must be between {low} and {high}, not {value}"
            for name, (value, low, high) in bounds.items()
            if not low <= value <= high
        ]
        problems += [
            f"unknown incident kind {kind!r}; known are {', '.join(ALL_KINDS)}"
            for kind in self.kinds
            if kind not in ALL_KINDS
        ]
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def start_ms(self) -> int:
        """Midnight UTC at which the first day begins."""
        start = datetime(self.start_date.year, self.start_date.month, self.start_date.day, tzinfo=UTC)
        return int(start.timestamp()) * 1000

    @property
    def calendar_days(self) -> range:
        """The stream's days, numbered from 1970-01-01."""
        first = self.start_ms // DAY_MS
        return range(first, first + self.days)

    @property
    def end_ms(self) -> int:
        """Midnight UTC at which the last day ends."""
        return self.start_ms + self.days * DAY_MS
