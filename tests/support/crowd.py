"""A crowd of accounts that live alike, and what happens to all of them: the core on its own, a day at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from zlib import crc32

from pipeline.changelog import write as snapshot
from pipeline.changelog.write import Entry
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from tests.oracle.batches import to_batches
from tests.oracle.model import DAY_MS, HOUR_MS, PROFILES, SIGNALS, TOPICS, USAGE, Record
from tests.support.recovered import CLAIM, recovered

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


class Crowd:
    """One partition; `alerts` are all records since it began, or since it was branched off."""

    def __init__(self, config: EngineConfig, first_day: int) -> None:
        self.config = config
        self.feed = Feed(config, 0)
        self.alerts: list[dict[str, Any]] = []
        self.day = first_day
        self._offsets = dict.fromkeys(TOPICS, 0)
        self._saved: list[Entry] = []
        self._tick(2)
        self.send(PROFILES, [self._profile(account) for account in range(ACCOUNTS)])
        for user, role in enumerate(("champion", "sponsor", "admin")):
            joined = {"type": "contact_joined", "contact_id": f"u{user}", "role": role}
            self.send(SIGNALS, [self.event(account, **joined) for account in range(ACCOUNTS)])

    def branch(self, config: EngineConfig | None = None) -> Crowd:
        """The same crowd in another world, from here on; this one must not go on."""
        other = Crowd.__new__(Crowd)
        self._saved = self._saved or [CLAIM, *snapshot.checkpoint(self.feed, epoch=0)]
        other.config = config or self.config
        other.feed = recovered(other.config, self._saved)
        other.alerts, other._saved = [], []
        other._offsets, other.day = dict(self._offsets), self.day
        return other

    def live(self, days: int, left: Left = as_usual) -> None:
        """Let days pass with what is left of the usual activity."""
        for _ in range(days):
            self.send(USAGE, list(self._usage(left)))
            self.day += 1
            self._tick(2)

    def event(self, account: int, **fields: Any) -> dict[str, Any]:
        """An event of today."""
        at_ms = self.day * DAY_MS + 6 * HOUR_MS
        identity = f"{at_ms}-{sorted(fields.items())}"
        return {"account_id": f"a{account}", "event_id": identity, "occurred_at": at_ms, **fields}

    def send(self, topic: str, events: list[dict[str, Any]]) -> None:
        """Send events, all at once."""
        self._push(topic, [("event", event.get("occurred_at", event.get("updated_at")), event) for event in events])

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

    def _usage(self, left: Left) -> Iterable[dict[str, Any]]:
        rest = REST if (self.day + 3) % 7 >= 5 else 1.0
        for account in range(ACCOUNTS):
            for user in range(USERS):
                drawn = crc32(f"{self.day}-{account}-{user}".encode()) % 1000
                if drawn < 950 * rest * left(account, self.day):
                    yield self.event(
                        account,
                        user_id=f"u{user}",
                        feature=("home", "export", "share", "api")[(self.day + user) % 4],
                        role=("admin", "editor", "viewer")[user % 3],
                        quantity=10.0,
                        duration_ms=600_000,
                    )

    def _tick(self, hour: int) -> None:
        for topic in TOPICS:
            self._push(topic, [("tick", self.day * DAY_MS + hour * HOUR_MS, None)])

    def _push(self, topic: str, told: list[tuple[Any, Any, dict[str, Any] | None]]) -> None:
        first = self._offsets[topic]
        records = [Record(first + n, kind, at_ms, at_ms, event) for n, (kind, at_ms, event) in enumerate(told)]
        self._offsets[topic] += len(records)
        for batch in to_batches({topic: records}, topic, [max(1, len(records))]):
            self.alerts += self.feed.push(batch).alerts
