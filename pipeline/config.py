"""The core's configuration: plain values, validated, no environment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256

from pipeline.calendar import PlannedShutdown
from pipeline.kinds import KINDS
from pipeline.scorecards.card import Scorecard
from pipeline.scorecards.profiles import HealthProfile

DAY_MS = 86_400_000
MAX_LATENESS_DAYS = 7
"""Bounded by the day panes and active-day bitmaps, which must still hold what an amended day's detectors read."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What decides the result of a given input; every field enters `config_hash`."""

    out_of_orderness_ms: int = 3_600_000
    allowed_lateness_days: int = 3
    max_skew_ms: int = 600_000
    timezone: str = "UTC"
    arl_days: float = 2800.0
    max_users: int = 500
    max_features: int = 64
    max_book_entries: int = 500
    """Open tickets, invoices, subscriptions and remembered closed tickets per account, each."""
    max_dedup_ids: int = 20_000_000
    """Per partition and topic."""
    scorecards: tuple[Scorecard, ...] = ()
    """Definitions beside the built-in ones, or in their place."""
    health_scorecards: tuple[str, ...] = ("default",)
    """Ids of those that judge an account which no profile matches; the first that is not in shadow is primary."""
    profiles: tuple[HealthProfile, ...] = ()
    """The first that matches an account decides its scorecards."""
    fleet_min_accounts: int = 20
    """Accounts whose day must say something before the fleet or a segment has a factor of its own."""
    shutdowns: tuple[PlannedShutdown, ...] = ()
    disabled_kinds: tuple[str, ...] = ()
    """Kinds of alert that are not raised; open ones end at the next close."""

    def __post_init__(self) -> None:
        if not 0 <= self.out_of_orderness_ms <= DAY_MS:
            raise ValueError("out_of_orderness_ms must be between 0 and one day")
        if not 0 <= self.allowed_lateness_days <= MAX_LATENESS_DAYS:
            raise ValueError(f"allowed_lateness_days must be between 0 and {MAX_LATENESS_DAYS}")
        if unknown := [kind for kind in self.disabled_kinds if kind not in KINDS]:
            raise ValueError(f"there are no kinds of alert called {', '.join(unknown)}")
        if self.arl_days <= 1:
            raise ValueError("arl_days must be above 1")
        if self.fleet_min_accounts < 1:
            raise ValueError("fleet_min_accounts must be at least 1")

    @property
    def allowed_lateness_ms(self) -> int:
        """How long after its end a day may still be amended."""
        return self.allowed_lateness_days * DAY_MS

    @property
    def config_hash(self) -> str:
        """Short fingerprint carried by every alert."""
        text = "|".join(f"{key}={value}" for key, value in sorted(asdict(self).items()))
        return sha256(text.encode()).hexdigest()[:12]
