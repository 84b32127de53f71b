"""The core's configuration: plain values, validated, no environment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256

from pipeline.scorecards.card import Scorecard
from pipeline.scorecards.profiles import HealthProfile
from pipeline.terms.calendar import PlannedShutdown
from pipeline.terms.kind import Kind
from schemas.topics import DAY_MS
from schemas.validation import MAX_SKEW_MS

MAX_LATENESS_DAYS = 7
"""Bounded by the day panes and active-day bitmaps, which must still hold what an amended day's detectors read."""

STREAMS = 23
"""Parts of the alert budget, one for each kind of proved run length, and two to spare. A number of its own, so that no
kind joins them, and makes the thresholds of the others stricter, unasked."""
RANKED_SHARE = 0.4
"""Of the alert budget, that each ranked kind uses up. What is left is what the others are measured to use of theirs."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What decides the result of a given input; every field enters `config_hash`."""

    out_of_orderness_ms: int = 3_600_000
    allowed_lateness_days: int = 3
    max_skew_ms: int = MAX_SKEW_MS
    timezone: str = "UTC"
    false_per_owner_per_week: float = 1.0
    """Alert budget: false alarms of all statistical detectors together that one account owner accepts."""
    accounts_per_owner: int = 50
    arl_days: float | None = None
    """Average run length of each statistical detector instead of the budget's."""
    prior_daily_actions: tuple[float, ...] = (10.0, 5.0, 30.0, 100.0)
    """Daily actions to expect of an account in its first weeks: touch model unknown, digital, high-touch, strategic."""
    basic_drop_pct: float = 0.0
    """Fall of a week's actions against the week before that raises `weekly_drop`; 0 switches the rule off."""
    basic_min_actions: float = 50.0
    """Actions that the week before must have had for `weekly_drop`."""
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
    p1_sla_hours: int = 24
    """How long a P1 ticket may be open."""
    stage_days: tuple[tuple[str, int], ...] = ()
    """Lifecycle stages, and the days that each is expected to last at most."""
    enabled_kinds: tuple[str, ...] = ()
    """Kinds that are raised, although they are off unless named."""
    test_accounts: bool = False
    """Whether accounts for tests (`status` of the profile: test, internal) are judged and counted like any other."""
    disabled_kinds: tuple[str, ...] = ()
    """Kinds of alert that are not raised; open ones end at the next close."""
    shadow_kinds: tuple[str, ...] = ()
    """Kinds of alert that are evaluated and told to nobody: they go to `alerts.shadow` only."""

    def __post_init__(self) -> None:
        if not 0 <= self.out_of_orderness_ms <= DAY_MS:
            raise ValueError("out_of_orderness_ms must be between 0 and one day")
        if not 0 <= self.allowed_lateness_days <= MAX_LATENESS_DAYS:
            raise ValueError(f"allowed_lateness_days must be between 0 and {MAX_LATENESS_DAYS}")
        if not 1 <= self.p1_sla_hours <= 720:
            raise ValueError("p1_sla_hours must be between 1 and 720")
        if any(days < 1 for _, days in self.stage_days):
            raise ValueError("stage_days must be at least one day for each stage")
        if self.arl_days is not None and self.arl_days <= 1:
            raise ValueError("arl_days must be above 1")
        if self.fleet_min_accounts < 1:
            raise ValueError("fleet_min_accounts must be at least 1")
        if self.accounts_per_owner < 1:
            raise ValueError("accounts_per_owner must be at least 1")
        if not 0 < self.false_per_owner_per_week <= self.streams_per_owner_week:
            raise ValueError("false_per_owner_per_week must be above 0 and below one a day for each detector stream")
        if len(self.prior_daily_actions) != 4 or min(self.prior_daily_actions) <= 0:
            raise ValueError("prior_daily_actions must be four numbers above 0")
        if not 0 <= self.basic_drop_pct < 100:
            raise ValueError("basic_drop_pct must be between 0 and 100")

    @property
    def streams_per_owner_week(self) -> float:
        """Decisions that the statistical detectors make about one owner's accounts in a week."""
        return 7.0 * self.accounts_per_owner * STREAMS

    @property
    def run_length_days(self) -> float:
        """Average days between false alarms of one statistical detector on one account."""
        return self.arl_days or self.streams_per_owner_week / self.false_per_owner_per_week

    @property
    def expected_false_per_owner_week(self) -> float:
        """False alarms that an owner sees at most in a week, on average."""
        return self.streams_per_owner_week / self.run_length_days

    @property
    def ranked_rate(self) -> float:
        """False alarms asked for of a ranked kind, by account and day."""
        return RANKED_SHARE * STREAMS / self.run_length_days

    @property
    def allowed_lateness_ms(self) -> int:
        """How long after its end a day may still be amended."""
        return self.allowed_lateness_days * DAY_MS

    def is_off(self, kind: Kind) -> bool:
        """Whether a kind is switched off, or on only with a setting that is not made."""
        made = {
            "": True,
            "kinds.enabled": kind.name in self.enabled_kinds,
            "detection.basic_drop_pct": self.basic_drop_pct > 0,
            "health.stage_days": bool(self.stage_days),
        }
        return kind.retired or kind.name in self.disabled_kinds or not made[kind.setting]

    @property
    def config_hash(self) -> str:
        """Short fingerprint carried by every alert."""
        text = "|".join(f"{key}={value}" for key, value in sorted(asdict(self).items()))
        return sha256(text.encode()).hexdigest()[:12]
