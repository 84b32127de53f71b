"""What an Observer is told about outputs and checkpoints, once they are acknowledged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agents.ports import Core, Entry, Observer
from agents.shard import Shard
from pipeline.records import Outcome
from schemas.partitioning import partitions_of

Part = tuple[Shard, list[Entry], dict[str, int]]
"""One partition's share of a checkpoint: entries and the positions that they cover."""


@dataclass(frozen=True, slots=True)
class Announced:
    """Outputs of one batch that the broker has not acknowledged yet."""

    read_at: float
    """Monotonic time at which the batch was taken."""
    outcome: Outcome


class Reporter:
    """Collects what is under way and tells the observer when it is durable."""

    def __init__(self, observer: Observer, core: Core) -> None:
        self._observer = observer
        self._core = core
        self._announced: list[Announced] = []
        self._evictions: Counter[tuple[int, str]] = Counter()

    def applied(self, shard: Shard, records: int) -> None:
        """A batch of so many records was applied."""
        self._observer.batch(records)
        for topic, fate, count in shard.fates_since():
            self._observer.records(topic, fate, count)

    def misplaced(self, keys: Iterable[bytes | None], partition: int, partitions: int) -> None:
        """Count the records whose key belongs to another partition: their producer hashes otherwise."""
        counts = Counter(key for key in keys if key is not None and not key.startswith(b"\x00"))
        known = list(counts)
        for place in (partitions_of(known, partitions) != partition).nonzero()[0].tolist() if known else ():
            for _ in range(counts[known[place]]):
                self._observer.invariant("partition_mismatch")

    def announced(self, read_at: float, outcome: Outcome) -> None:
        """Outputs were produced."""
        self._announced.append(Announced(read_at, outcome))

    def turn(self) -> list[Announced]:
        """What was announced since the last turn."""
        announced, self._announced = self._announced, []
        return announced

    def acknowledged(self, announced: Iterable[Announced]) -> None:
        """Those outputs are durable."""
        now, wall_s = time.monotonic(), time.time()
        for each in announced:
            if each.outcome.alerts:
                self._observer.detection_latency(now - each.read_at)
            for record in each.outcome.alerts:
                self._observer.alert(record)
                self._tell_delay(record, wall_s)
            reasons = Counter((letter.topic, letter.reason) for letter in each.outcome.dead_letters)
            for (topic, reason), count in reasons.items():
                self._observer.dead_letter(topic, reason, count)

    def _tell_delay(self, record: dict[str, Any], wall_s: float) -> None:
        if "detected_at" in record:
            self._observer.event_to_alert(wall_s - record["detected_at"] / 1000, record["alert_id"])

    def checkpointed(self, seconds: float, parts: Iterable[Part]) -> None:
        """A checkpoint is durable."""
        parts = list(parts)
        entries = sum(len(entries) for _, entries, _ in parts)
        size = sum(len(key) + len(value or b"") for _, entries, _ in parts for key, value in entries)
        self._observer.checkpoint(seconds, entries, size)
        for shard, _, _ in parts:
            for topic, at_ms in shard.feed.watermarks().items():
                if at_ms > 0:
                    self._observer.watermark(shard.number, topic, at_ms)
            facts = self._core.facts(shard.feed)
            self._observer.state(shard.number, facts.accounts, facts.size_bytes)
            if facts.day_closed_ms > 0:
                self._observer.day_closed(shard.number, facts.day_closed_ms)
            for of, count in facts.evictions.items():
                new = count - self._evictions[shard.number, of]
                if new > 0:
                    self._observer.evictions(of, new)
                self._evictions[shard.number, of] = count
