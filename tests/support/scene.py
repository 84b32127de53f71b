"""A partition fed by hand, and one account on a stage: while its events come, all other topics are silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.terms.records import Outcome
from tests.oracle.batches import to_batches
from tests.oracle.model import DAY_MS, HOUR_MS, TOPICS, Record
from tests.support.recovered import restarted
from tests.support.wire import blank, smallest

MIDNIGHT_MS = 20_000 * DAY_MS
TIMES = ("occurred_at", "updated_at", "issued_at")


class Partition:
    """A partition and what came of it so far."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.feed = Feed(config, 0)
        self.outcome = Outcome()
        self.offsets = dict.fromkeys(TOPICS, 0)

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """All alert records so far."""
        return self.outcome.alerts

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The alert records of one kind."""
        return [alert for alert in self.alerts if alert["kind"] == kind]

    def restart(self, config: EngineConfig) -> None:
        """Go on from a checkpoint with other settings."""
        self.config, self.feed = config, restarted(self.feed, config)

    def take(self, topic: str, events: Sequence[dict[str, Any]], at_ms: int, seen_at_ms: int = 0) -> None:
        """Take events of one time in one batch."""
        self._push(topic, "event", [(max(at_ms, seen_at_ms), at_ms, event) for event in events])

    def tick(self, at_ms: int) -> None:
        """Let the time be this in all topics."""
        for topic in TOPICS:
            self._push(topic, "tick", [(at_ms, at_ms, None)])

    def _push(
        self, topic: str, kind: Literal["event", "tick"], told: Sequence[tuple[int, int, dict[str, Any] | None]]
    ) -> None:
        records = [Record(offset, kind, *each) for offset, each in enumerate(told, self.offsets[topic])]
        self.offsets[topic] += len(records)
        for batch in to_batches({topic: records}, topic, [max(1, len(records))]):
            self.outcome.extend(self.feed.push(batch))


class Stage(Partition):
    """A partition with one account and a clock."""

    def __init__(self, config: EngineConfig | None = None) -> None:
        super().__init__(config or EngineConfig())
        self.now_ms = MIDNIGHT_MS
        self.send("account.profiles", {"name": "Acme"})
        self.tick(self.now_ms)
        self.now_ms += 2 * HOUR_MS
        self.tick(self.now_ms)

    def send(self, topic: str, event: dict[str, Any], *, back_hours: int = 0) -> None:
        """Send one event that happened now, or some hours ago."""
        at_ms = self.now_ms - back_hours * HOUR_MS
        known_as = f"e{self.offsets[topic]}"
        known = {"account_id": "acme", "event_id": known_as, "command_id": known_as} | dict.fromkeys(TIMES, at_ms)
        self.take(topic, [blank(topic) | smallest(topic) | known | event], at_ms, self.now_ms)

    def pass_hours(self, hours: int) -> None:
        """Let time go by."""
        self.now_ms += hours * HOUR_MS

    def pass_days(self, days: int) -> None:
        """Let days go by and be closed."""
        for _ in range(days):
            self.now_ms += DAY_MS
            self.tick(self.now_ms)
