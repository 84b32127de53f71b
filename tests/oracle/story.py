"""Tells the oracle a story day by day, in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle.model import (
    BILLING,
    DAY_MS,
    HOUR_MS,
    PROFILES,
    SIGNALS,
    TICKETS,
    TOPICS,
    USAGE,
    OracleConfig,
    Record,
)
from tests.oracle.oracle import Oracle

if TYPE_CHECKING:
    from tests.oracle.model import Account

FIRST_DAY = 20_000
"""2024-10-04, a Friday. Days of a story count from here."""
ACCOUNT = "acme"


class Story:
    """Offers records to an oracle as soon as they are told; it begins with day 0 open."""

    def __init__(self, config: OracleConfig | None = None) -> None:
        self.oracle = Oracle(config)
        self._offsets = dict.fromkeys(TOPICS, 0)
        self.close(-1)

    def start(self, day: int) -> int:
        """Return the first instant of a day."""
        return self.oracle.days.start(FIRST_DAY + day)

    def offer(self, topic: str, kind: Any, at_ms: int, event: Any = None, seen_at_ms: int | None = None) -> None:
        """Offer one record; the broker saw it when it happened unless told otherwise."""
        seen_at = at_ms if seen_at_ms is None else seen_at_ms
        self.oracle.offer(topic, Record(self._offsets[topic], kind, seen_at, at_ms, event))
        self._offsets[topic] += 1

    def tick(self, topic: str, at_ms: int) -> None:
        """Let time pass in one topic."""
        self.offer(topic, "tick", at_ms)

    def close(self, day: int) -> None:
        """Let time pass in all topics until the day is just closed."""
        for topic in TOPICS:
            self.tick(topic, self.start(day + 1) + self.oracle.config.out_of_orderness_ms)

    def send(self, topic: str, day: int, hour: float = 12.0, **fields: Any) -> None:
        """Send one event at an hour of a day."""
        at_ms = self.start(day) + int(hour * HOUR_MS)
        offset = self._offsets[topic]
        event = {"account_id": ACCOUNT, "event_id": f"n{offset}", "occurred_at": at_ms} | fields
        self.offer(topic, "event", at_ms, event)

    def use(self, day: int, user: str | None = "u", quantity: float = 1.0, **fields: Any) -> None:
        """Send one usage event."""
        self.send(USAGE, day, **{"user_id": user, "feature": "home", "quantity": quantity} | fields)

    def bill(self, day: int, kind: str, **fields: Any) -> None:
        """Send one billing event."""
        self.send(BILLING, day, **{"type": kind, "currency": "EUR"} | fields)

    def ticket(self, day: int, kind: str, ticket_id: str = "t", priority: str = "p3", **fields: Any) -> None:
        """Send one ticket event."""
        self.send(TICKETS, day, type=kind, ticket_id=ticket_id, priority=priority, **fields)

    def signal(self, day: int, kind: str, **fields: Any) -> None:
        """Send one customer signal."""
        self.send(SIGNALS, day, type=kind, **fields)

    def profile(self, day: int, **fields: Any) -> None:
        """Send one profile, updated at noon."""
        at_ms = self.start(day) + DAY_MS // 2
        self.offer(PROFILES, "event", at_ms, {"account_id": ACCOUNT, "updated_at": at_ms} | fields)

    @property
    def account(self) -> Account:
        """The account that all of this is about."""
        return self.oracle.accounts[ACCOUNT]

    def alerts(self, kind: str) -> list[dict[str, Any]]:
        """Return the revisions of the alerts of one kind, in order."""
        return [record for record in self.oracle.alerts.values() if record["kind"] == kind]

    def dimension(self, name: str) -> float | None:
        """Return a value of the last scorecard."""
        return self.oracle.health[ACCOUNT][-1].dimensions.get(name)
