"""A crowd of accounts that live alike, and what happens to all of them: the core on its own, a day at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from zlib import crc32

from pipeline.changelog.records import Entry
from pipeline.changelog.write import checkpoint
from pipeline.config import EngineConfig
from pipeline.terms.records import Outcome
from tests.oracle.model import DAY_MS, HOUR_MS, PROFILES, SIGNALS, USAGE
from tests.support.recovered import CLAIM, recovered
from tests.support.scene import Partition

ACCOUNTS = 40
USERS = 8
REST = 0.6
"""What is left of usual activity on weekends and holidays."""
CHILDREN = range(1, 6)
"""Accounts of which account 0 is the parent."""
LARGE = range(30, ACCOUNTS)
"""Accounts of that segment; the others are small."""
Left = Callable[[int, int], float]
"""What is left of an account's usual activity on a day."""


def as_usual(account: int, day: int) -> float:
    """Nothing has happened."""
    return 1.0


class Crowd(Partition):
    """One partition; its alerts are all records since it began, or since it was branched off."""

    def __init__(self, config: EngineConfig, first_day: int) -> None:
        super().__init__(config)
        self.day = first_day
        self._saved: list[Entry] = []
        self.tick(self.day * DAY_MS + 2 * HOUR_MS)
        self.send(PROFILES, [self._profile(account) for account in range(ACCOUNTS)])
        for user, role in enumerate(("champion", "sponsor", "admin")):
            joined = {"type": "contact_joined", "contact_id": f"u{user}", "role": role}
            self.send(SIGNALS, [self.event(account, **joined) for account in range(ACCOUNTS)])

    def branch(self, config: EngineConfig | None = None) -> Crowd:
        """The same crowd in another world, from here on; this one must not go on."""
        other = Crowd.__new__(Crowd)
        self._saved = self._saved or [CLAIM, *checkpoint(self.feed, epoch=0)]
        other.config = config or self.config
        other.feed = recovered(other.config, self._saved)
        other.outcome, other._saved = Outcome(), []
        other.offsets, other.day = dict(self.offsets), self.day
        return other

    def live(self, days: int, left: Left = as_usual, named: Left = as_usual) -> None:
        """Let days pass with what is left of the usual activity, and a share of it that names its users."""
        for _ in range(days):
            self.send(USAGE, list(self._usage(left, named)))
            self.day += 1
            self.tick(self.day * DAY_MS + 2 * HOUR_MS)

    def event(self, account: int, **fields: Any) -> dict[str, Any]:
        """An event of today."""
        at_ms = self.day * DAY_MS + 6 * HOUR_MS
        identity = f"{at_ms}-{sorted(fields.items())}"
        return {"account_id": f"a{account}", "event_id": identity, "occurred_at": at_ms, **fields}

    def send(self, topic: str, events: list[dict[str, Any]]) -> None:
        """Send events of one time, all at once."""
        self.take(topic, events, self.day * DAY_MS + (3 if topic == PROFILES else 6) * HOUR_MS)

    def opened(self) -> set[tuple[str, str]]:
        """Kind and account of every alert that was opened."""
        return {(alert["kind"], alert["account_id"]) for alert in self.alerts if alert["revision"] == 1}

    def _profile(self, account: int) -> dict[str, Any]:
        return {
            "account_id": f"a{account}",
            "updated_at": self.day * DAY_MS + 3 * HOUR_MS,
            "name": f"Account {account}",
            "seats": USERS + 2,
            "status": "active",
            "segment": "large" if account in LARGE else "smb",
            "country": "DE",
            "parent_account_id": "a0" if account in CHILDREN else None,
            "renewal_at": (self.day + 200) * DAY_MS,
            "lifecycle_stage": "adoption",
            "quota_actions": 10_000.0,
        }

    def _usage(self, left: Left, named: Left) -> Iterable[dict[str, Any]]:
        rest = REST if (self.day + 3) % 7 >= 5 else 1.0
        for account in range(ACCOUNTS):
            for user in range(USERS):
                drawn = crc32(f"{self.day}-{account}-{user}".encode()) % 1000
                if drawn < 950 * rest * left(account, self.day):
                    by_user = crc32(f"{user}-{account}-{self.day}".encode()) % 1000 < 1000 * named(account, self.day)
                    yield self.event(
                        account,
                        user_id=f"u{user}" if by_user else None,
                        feature=("home", "export", "share", "api")[(self.day + user) % 4],
                        role=("admin", "editor", "viewer")[user % 3],
                        quantity=10.0,
                        duration_ms=600_000,
                    )
