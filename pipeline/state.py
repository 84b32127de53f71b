"""One partition's state: what is known of its accounts, and of the time that has passed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.accounts import Accounts
from pipeline.alerts import Alerting
from pipeline.config import EngineConfig
from pipeline.days import Days
from pipeline.members import Members
from pipeline.records import I64
from pipeline.seen import Seen
from schemas.topics import INPUT_TOPICS

DEDUPLICATED = tuple(topic for topic in INPUT_TOPICS if topic != "account.profiles")


@dataclass(slots=True)
class Ahead:
    """Accounts whose changelog value is newer than the partition record: what they cover already."""

    positions: I64
    """One row per input topic, one column per account row."""
    closed_day: npt.NDArray[np.int32]


@dataclass(slots=True)
class State:
    """The mutable state that applying records and closing days advance."""

    config: EngineConfig
    days: Days = field(init=False)
    alerting: Alerting = field(init=False)
    accounts: Accounts = field(default_factory=Accounts)
    users: Members = field(init=False)
    features: Members = field(init=False)
    seen: dict[str, Seen] = field(init=False)
    open_day: int = 0
    first_amendable_day: int = -(2**31)
    waiting_readings: set[int] = field(default_factory=set)
    """Rows with a reading of tomorrow."""
    stale_context: set[int] = field(default_factory=set)
    """Rows whose context must be copied again at the next close."""
    closed_tickets: set[int] = field(default_factory=set)
    """Rows that remember closing times."""
    ahead: Ahead | None = None

    def __post_init__(self) -> None:
        self.days = Days(self.config.timezone)
        self.alerting = Alerting(self.config)
        self.users = Members(self.config.max_users)
        self.features = Members(self.config.max_features)
        self.seen = {topic: Seen(self.config.max_dedup_ids) for topic in DEDUPLICATED}

    def enter_day(self, day: int) -> None:
        """Make `day` the open one."""
        self.open_day = day
        # A day is too late once its end plus the lateness is not after the start of the open day.
        self.first_amendable_day = self.days.of_one(self.days.start_ms(day) - self.config.allowed_lateness_ms)

    @property
    def nbytes(self) -> int:
        """Bytes held in columns."""
        return self.accounts.nbytes + self.users.nbytes + self.features.nbytes
