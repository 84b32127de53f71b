"""One account on a stage: events sent to the core one at a time, while all other topics are silent."""

from __future__ import annotations

from typing import Any

from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from tests.oracle.batches import to_batches
from tests.oracle.model import DAY_MS, HOUR_MS, TOPICS, Record
from tests.support.recovered import restarted
from tests.support.wire import blank, smallest

MIDNIGHT_MS = 20_000 * DAY_MS
TIMES = ("occurred_at", "updated_at")


class Stage:
    """A partition with a clock; `alerts` are all alert records so far."""

    def __init__(self, config: EngineConfig | None = None) -> None:
        self.config = config or EngineConfig()
        self.feed = Feed(self.config, 0)
        self.alerts: list[dict[str, Any]] = []
        self.now_ms = MIDNIGHT_MS
        self._offsets = dict.fromkeys(TOPICS, 0)
        self.send("account.profiles", {"name": "Acme"})
        self._tick()
        self.now_ms += 2 * HOUR_MS
        self._tick()

    def send(self, topic: str, event: dict[str, Any], *, back_hours: int = 0) -> None:
        """Send one event that happened now, or some hours ago."""
        at_ms = self.now_ms - back_hours * HOUR_MS
        known = {"account_id": "acme", "event_id": f"e{self._offsets[topic]}"} | dict.fromkeys(TIMES, at_ms)
        self._push(topic, "event", at_ms, blank(topic) | smallest(topic) | known | event)

    def restart(self, config: EngineConfig) -> None:
        """Go on from a checkpoint with other settings."""
        self.config, self.feed = config, restarted(self.feed, config)

    def pass_hours(self, hours: int) -> None:
        """Let time go by."""
        self.now_ms += hours * HOUR_MS

    def pass_days(self, days: int) -> None:
        """Let days go by and be closed."""
        for _ in range(days):
            self.now_ms += DAY_MS
            self._tick()

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The records of one kind."""
        return [alert for alert in self.alerts if alert["kind"] == kind]

    def _tick(self) -> None:
        for topic in TOPICS:
            self._push(topic, "tick", self.now_ms, None)

    def _push(self, topic: str, kind: Any, at_ms: int, event: dict[str, Any] | None) -> None:
        offset = self._offsets[topic]
        record = Record(offset, kind, max(at_ms, self.now_ms), at_ms, event)
        self._offsets[topic] += 1
        for batch in to_batches({topic: [record]}, topic, [1]):
            self.alerts += self.feed.push(batch).alerts
