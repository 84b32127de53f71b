"""What the oracle reads and what it remembers: plain records, accounts and episodes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = "usage.events"
BILLING = "billing.events"
TICKETS = "ticket.events"
SIGNALS = "customer.signals"
PROFILES = "account.profiles"
COMMANDS = "alert.commands"
TOPICS = (USAGE, BILLING, TICKETS, SIGNALS, PROFILES, COMMANDS)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Kind = Literal["event", "tick", "bad", "tombstone", "rerouted"]


def blake_hash(identifier: str) -> int:
    """Order ids that were last active on the same day."""
    return int.from_bytes(blake2b(identifier.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class OracleConfig:
    """Settings that change the result."""

    out_of_orderness_ms: int = HOUR_MS
    allowed_lateness_ms: int = 3 * DAY_MS
    max_skew_ms: int = 600_000
    timezone: str = "UTC"
    arl_days: float = 2800.0
    prior_daily_actions: tuple[float, ...] = (10.0, 5.0, 30.0, 100.0)
    basic_drop_pct: float = 0.0
    basic_min_actions: float = 50.0
    max_users: int = 500
    max_features: int = 64
    cards: tuple[dict[str, Any], ...] = ()
    """Scorecards beside `default` or in its place: id, version, criteria {dimension: weight}, bands, shadow."""
    health_cards: tuple[str, ...] = ("default",)
    profiles: tuple[dict[str, Any], ...] = ()
    fleet_min_accounts: int = 20
    shutdowns: tuple[tuple[int, int, str | None, str | None], ...] = ()
    """First and last day, segment, country."""
    p1_sla_hours: int = 24
    stage_days: tuple[tuple[str, int], ...] = ()
    test_accounts: bool = False
    enabled_kinds: tuple[str, ...] = ("advocacy_moment",)
    disabled_kinds: tuple[str, ...] = ()
    shadow_kinds: tuple[str, ...] = ()
    id_hash: Callable[[str], int] = blake_hash
    plays: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    """Of each kind of alert: what its evidence is, its play, and the days after which that is due."""


@dataclass(frozen=True)
class Record:
    """One record of an input topic; a tombstone's event holds its account_id only."""

    offset: int
    kind: Kind
    seen_at_ms: int
    occurred_at_ms: int
    event: dict[str, Any] | None = None


@dataclass
class Subscription:
    """What is known of one subscription, as of its last event."""

    as_of_ms: int
    active: bool = False
    mrr_minor: int | None = None
    seats: int | None = None
    last_type: str | None = None
    began_at_ms: int | None = None
    stops_at_ms: int | None = None
    """When it is over, once it was cancelled or has expired."""
    currency: str = ""
    term_ms: int | None = None
    """When its present term ends."""
    fall: tuple[int, int] | None = None
    """What revenue fell from and when, until it is back."""


@dataclass
class Invoice:
    """What is known of one invoice since it was last paid."""

    paid_at_ms: int | None = None
    due_at_ms: int | None = None
    amount_minor: int | None = None
    failed: int = 0
    overdue: bool = False
    part_minor: int = 0
    trouble_at_ms: list[int] = field(default_factory=list)

    def is_paid_at(self, occurred_at_ms: int) -> bool:
        """Tell whether an event of that time comes too late to matter; a second is one moment."""
        return self.paid_at_ms is not None and occurred_at_ms // 1000 <= self.paid_at_ms // 1000

    def is_open(self) -> bool:
        """Tell whether anything is known since it was last paid."""
        known = self.due_at_ms is not None or self.amount_minor is not None or bool(self.trouble_at_ms)
        return self.paid_at_ms is None or known

    def costs_nothing(self) -> bool:
        """Tell whether it is a credit, zero or void."""
        return self.amount_minor is not None and self.amount_minor <= 0

    def left_minor(self) -> int:
        """What must still be paid of it."""
        return max(0, (self.amount_minor or 0) - self.part_minor)


@dataclass
class Ticket:
    """An open ticket."""

    opened_at_ms: int
    priority: str
    escalated: bool = False


@dataclass
class Contact:
    """A person of the customer."""

    role: str | None = None
    there: bool = False
    as_of_ms: int = -1


@dataclass
class Goal:
    """A milestone or an outcome."""

    due_at_ms: int | None = None
    planned_ms: int = -1
    judged_ms: int = -1
    reached: bool = False


@dataclass(frozen=True)
class Opinion:
    """A pulse or a survey, scaled to 0…1."""

    value: float
    occurred_at_ms: int
    expires_at_ms: int | None


@dataclass
class Episode:
    """An open alert."""

    alert_id: str
    kind: str
    dimension: str
    family: str
    severity: str
    starts_at_ms: int
    detected_at_ms: int
    opened_day: int
    observed: float
    expected: float
    evidence: float
    revision: int = 1
    clear_days: int = 0
    onset: tuple[int, int, int] | None = None
    due_at_ms: int | None = None
    points: dict[str, float] = field(default_factory=dict)
    """Of a scorecard's alert: each criterion's part in the difference of two scores."""
    who: str = ""
    """The contact whom it is about."""
    joined: list[str] = field(default_factory=list)
    """Kinds that follow from it."""
    muted: bool = False
    """Whether it was closed by a person, and its condition holds."""


@dataclass(frozen=True)
class HealthDay:
    """A scorecard of one account at the close of one day."""

    day: int
    score: float | None
    band: str
    coverage: float
    dimensions: dict[str, float]
    version: int = 1
    previous_band: str = "grey"
    capped_by: tuple[str, str] | None = None
    """Kind and dimension of the alert that keeps the band from being the score's."""
    config_change: tuple[int, int, float | None, float | None] | None = None
    """Former and present version, score of the day by the former and by the present definition."""


@dataclass
class Standing:
    """Where an account stands on one scorecard."""

    by: dict[str, Any]
    """The definition that it was judged by last."""
    band: str = "grey"
    """By the score alone."""
    told: str = "grey"
    """What open alerts leave of it."""
    score: float | None = None
    candidate: str = "grey"
    candidate_days: int = 0
    held: Any = None
    """Dimensions and score of the last close on which the score, without hysteresis, called for the band."""


def _counter() -> dict[int, int]:
    return defaultdict(int)


def _day_sets() -> dict[str, set[int]]:
    return {}


@dataclass
class Account:
    """Everything that is known of one account; dictionaries by day are keyed by day number."""

    account_id: str
    actions: dict[int, int] = field(default_factory=_counter)
    duration_ds: dict[int, int] = field(default_factory=_counter)
    tickets_opened: dict[int, int] = field(default_factory=_counter)
    active_users: dict[int, int] = field(default_factory=_counter)
    active_features: dict[int, int] = field(default_factory=_counter)
    unnamed: dict[int, int] = field(default_factory=_counter)
    severity_points: dict[int, int] = field(default_factory=_counter)
    complaints: dict[int, int] = field(default_factory=_counter)
    payment_troubles: dict[int, int] = field(default_factory=_counter)
    touches: dict[int, int] = field(default_factory=_counter)
    active_days: set[int] = field(default_factory=set)
    users: dict[str, set[int]] = field(default_factory=_day_sets)
    features: dict[str, set[int]] = field(default_factory=_day_sets)
    roles: dict[str, dict[str, int]] = field(default_factory=dict)
    """By user, the latest day on which each role was told of them."""
    untracked_users: int = 0
    untracked_features: int = 0
    first_usage_day: int | None = None
    first_day: int | None = None
    heard_day: int = 0
    """The day that was open when its last record was applied."""
    topics_seen: set[str] = field(default_factory=set)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    invoices: dict[str, Invoice] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    closed_at_ms: dict[str, int] = field(default_factory=dict)
    pulses: list[Opinion] = field(default_factory=list)
    surveys: list[Opinion] = field(default_factory=list)
    qualities: list[Opinion] = field(default_factory=list)
    profile: dict[str, Any] | None = None
    ended_at_ms: dict[tuple[str, str], int] = field(default_factory=dict)
    """When an immediate alert last ended, by kind and dimension."""
    reopenings: dict[str, list[int]] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    meetings: list[tuple[int, int, bool]] = field(default_factory=list)
    """Time, number in order of arrival, and whether it took place."""
    nps_answers: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    reviews_ms: list[int] = field(default_factory=list)
    delights: list[tuple[int, int, str]] = field(default_factory=list)
    """Time, number in order of arrival, and who it was."""
    expanded_ms: int | None = None
    """When revenue last grew."""
    goals: dict[tuple[str, str], Goal] = field(default_factory=dict)
    integrations: dict[str, int] = field(default_factory=dict)
    connected: dict[str, bool] = field(default_factory=dict)
    references: list[int] = field(default_factory=list)
    """Time of the newest event about each."""
    roles_had: set[str] = field(default_factory=set)
    components: dict[str, int] = field(default_factory=dict)
    """Days on which tickets about them were news."""
    roles_trained: set[str] = field(default_factory=set)
    """Of sponsor and champion, what somebody was at any time."""
    context: dict[str, Any] = field(default_factory=dict)
    """The profile as of the last close."""
    shutdowns: dict[int, tuple[int, int]] = field(default_factory=dict)
    """End and time of the signal, by start."""
    cases: dict[tuple[str, bool], Any] = field(default_factory=dict)
    expected: list[tuple[int, int, str, int, int]] = field(default_factory=list)
    """Of the days that a person called expected: begin, end, kind, what was known by when, and the open day."""
    suppressed: list[tuple[str, str, str | None, int]] = field(default_factory=list)
    """As of the last close: kind, by what, by which alert, since which day."""
    shown: dict[str, Any] = field(default_factory=dict)
    """What alerts show of it, as of the last close."""
    notes: dict[int, Any] = field(default_factory=dict)
    """By day, what the outlook was read from, and the level of use."""
    earliest_amended_day: int | None = None
    episodes: dict[tuple[str, str], Episode] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    life: str = "active"
    """As of the last close, or of the present one once that is decided."""
    former_life: str = "active"
    unseen: bool = False
    """Whether, as of the last close, events do not name the users any more."""
    back_ms: int = -1
    """End of the day on which it was last judged again."""
    band: str = "grey"
    score: float | None = None
