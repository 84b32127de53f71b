"""One partition's state: what is known of its accounts, and of the time that has passed."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.alerts.records import Alerting
from pipeline.books.book import Context
from pipeline.config import EngineConfig
from pipeline.fleet.alerts import FleetAlerts
from pipeline.fleet.merged import Fleet
from pipeline.scorecards.definition import Definition
from pipeline.scorecards.plan import Plan
from pipeline.scorecards.profiles import profile_of
from pipeline.state.accounts import Accounts
from pipeline.state.members import Members
from pipeline.state.seen import Seen
from pipeline.state.users import Users
from pipeline.terms.arrays import I32, I64
from pipeline.terms.days import Days
from pipeline.terms.hashing import hash_text
from pipeline.terms.kind import Kind
from schemas.topics import INPUT_TOPICS

DEDUPLICATED = tuple(topic for topic in INPUT_TOPICS if topic != "account.profiles")


@dataclass(slots=True)
class Ahead:
    """Accounts whose changelog value is newer than the partition record: what they cover already."""

    positions: I64
    """One row per input topic, one column per account row."""
    closed_day: I32


@dataclass(slots=True)
class State:
    """The mutable state that applying records and closing days advance."""

    config: EngineConfig
    number: int = 0
    """Of the partition."""
    partitions: int = 1
    days: Days = field(init=False)
    alerting: Alerting = field(init=False)
    plan: Plan = field(init=False)
    accounts: Accounts = field(init=False)
    users: Users = field(init=False)
    features: Members = field(init=False)
    seen: dict[str, Seen] = field(init=False)
    open_day: int = 0
    first_amendable_day: int = -(2**31)
    waiting_readings: set[int] = field(default_factory=set)
    """Rows with a reading of tomorrow."""
    stale_context: set[int] = field(default_factory=set)
    """Rows whose context must be copied again at the next close."""
    remembering: set[int] = field(default_factory=set)
    """Rows that remember when things ended."""
    definitions: dict[int, Definition] = field(init=False)
    """By content, those that an account's standing may come from: of the plan, and of the one before it."""
    ahead: Ahead | None = None
    layouts: set[bytes] = field(default_factory=set)
    """Tags of the layouts of which the changelog holds the record."""
    fleet: Fleet = field(init=False)
    fleet_alerts: FleetAlerts = field(init=False)

    def __post_init__(self) -> None:
        self.days = Days(self.config.timezone)
        self.plan = Plan(self.config.scorecards, self.config.health_scorecards, self.config.profiles)
        self.definitions = dict(self.plan.definitions)
        self.alerting = Alerting(self.config, self.plan.shadowed)
        self.accounts = Accounts(
            cards=[hash_text(card.id) for card in self.plan.cards],
            profile=profile_of(self.plan.profiles, Context()),
        )
        self.fleet = Fleet(self.partitions, self.config.fleet_min_accounts, self.config.ranked_rate)
        self.fleet_alerts = FleetAlerts(self.alerting, self.days)
        self.users = Users(self.config.max_users)
        self.features = Members(self.config.max_features)
        self.seen = {topic: Seen(self.config.max_dedup_ids) for topic in DEDUPLICATED}

    def enter_day(self, day: int) -> None:
        """Make `day` the open one."""
        self.open_day = day
        # A day is too late once its end plus the lateness is not after the start of the open day.
        self.first_amendable_day = self.days.of_one(self.days.start_ms(day) - self.config.allowed_lateness_ms)

    def choose_profile(self, row: int, context: Context) -> None:
        """Bring the account's health profile in line with its context."""
        if self.plan.profiles:
            self.accounts.profile[row] = profile_of(self.plan.profiles, context)

    def is_off(self, kind: Kind, row: int) -> bool:
        """Whether a kind is switched off, for all accounts or by this one's health profile."""
        profile = int(self.accounts.profile[row])
        return self.config.is_off(kind) or (profile > 0 and kind.name in self.plan.profiles[profile - 1].disabled_kinds)

    @property
    def nbytes(self) -> int:
        """Bytes held of accounts, their users and features."""
        return self.accounts.nbytes + self.users.nbytes + self.features.nbytes
