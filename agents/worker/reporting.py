"""What an Observer is told about outputs and checkpoints, once they are acknowledged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agents.worker.partition import Shard
from agents.worker.ports import Core, Entry, Observer
from pipeline.terms.records import Outcome
from schemas.partitioning import partitions_of

_COUNT_SHARE = 50
"""Counting the accounts by band takes at most this fraction of the time."""

Part = tuple[Shard, list[Entry], dict[str, int]]
"""One partition's share of a checkpoint: entries and the positions that they cover."""


@dataclass(frozen=True, slots=True)
class Announced:
    """Outputs of one batch that the broker has not acknowledged yet."""

    read_at: float
    """Monotonic time at which the batch was taken."""
    arrived_ms: int
    """When the oldest record of the batch arrived at the broker."""
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Count:
    """Accounts of a partition by band and segment."""

    closed_ms: int
    """End of the day as of which they were counted."""
    bands: Mapping[tuple[str, str | None], int]
    next_at: float
    """Monotonic time before which they are not counted again."""


class Reporter:
    """Collects what is under way and tells the observer when it is durable."""

    def __init__(self, observer: Observer, core: Core) -> None:
        self._observer = observer
        self._core = core
        self._announced: list[Announced] = []
        self._evictions: Counter[tuple[int, str]] = Counter()
        self._closed_ms: dict[int, int] = {}
        self._counts: dict[int, _Count] = {}

    def applied(self, shard: Shard, records: int) -> None:
        """A batch of so many records was applied."""
        self._observer.batch(records)
        self.moved(shard)

    def moved(self, shard: Shard) -> None:
        """Records of a partition have met their fates."""
        for topic, fate, count in shard.fates_since():
            self._observer.records(topic, fate, count)

    def suppressed(self, outcome: Outcome) -> None:
        """Count the alerts that stayed closed."""
        for by, count in outcome.suppressed.items():
            self._observer.suppressed(by, count)

    def misplaced(self, keys: Iterable[bytes | None], partition: int, partitions: int) -> None:
        """Count the records whose key belongs to another partition: their producer hashes otherwise."""
        counts = Counter(key for key in keys if key is not None and not key.startswith(b"\x00"))
        known = list(counts)
        for place in (partitions_of(known, partitions) != partition).nonzero()[0].tolist() if known else ():
            for _ in range(counts[known[place]]):
                self._observer.invariant("partition_mismatch")

    def owned(self, shards: Iterable[Shard]) -> None:
        """These partitions are ours now, and no others."""
        here = {shard.number: shard for shard in shards}
        for number in self._closed_ms.keys() - here.keys():
            self._observer.released(number)
            del self._closed_ms[number], self._counts[number]
        for shard in here.values():
            self._tell_state(shard)
        self._tell_bands(here.values())

    def announced(self, read_at: float, arrived_ms: int, outcome: Outcome) -> None:
        """Outputs were produced."""
        self._announced.append(Announced(read_at, arrived_ms, outcome))

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
                self._observer.event_to_alert(max(0.0, wall_s - each.arrived_ms / 1000), record.get("alert_id"))
            reasons = Counter((letter.topic, letter.reason) for letter in each.outcome.dead_letters)
            for (topic, reason), count in reasons.items():
                self._observer.dead_letter(topic, reason, count)

    def checkpointed(self, seconds: float, parts: Iterable[Part]) -> None:
        """A checkpoint is durable."""
        parts = list(parts)
        entries = sum(len(entries) for _, entries, _ in parts)
        size = sum(len(key) + len(value or b"") for _, entries, _ in parts for key, value in entries)
        self._observer.checkpoint(seconds, entries, size)
        for shard, _, _ in parts:
            self._tell_state(shard)
        self._tell_bands(shard for shard, _, _ in parts)

    def _tell_state(self, shard: Shard) -> None:
        """Tell what a partition holds and how far it is."""
        for topic, at_ms in shard.feed.watermarks().items():
            if at_ms > 0:
                self._observer.watermark(shard.number, topic, at_ms)
        facts = self._core.facts(shard.feed)
        self._observer.state(shard.number, facts.accounts, facts.size_bytes)
        self._observer.fleet_alerts(shard.number, facts.fleet_alerts)
        for of, count in facts.evictions.items():
            new = count - self._evictions[shard.number, of]
            if new > 0:
                self._observer.evictions(of, new)
            self._evictions[shard.number, of] = count
        self._closed_ms[shard.number] = facts.day_closed_ms
        if facts.day_closed_ms > 0:
            self._observer.day_closed(shard.number, facts.day_closed_ms)

    def _tell_bands(self, shards: Iterable[Shard]) -> None:
        """Count the accounts of the partitions in which a day was closed, and tell the sum of all."""
        now = time.monotonic()
        for shard in shards:
            closed_ms, last = self._closed_ms[shard.number], self._counts.get(shard.number)
            if last is None or (last.closed_ms != closed_ms and now >= last.next_at):
                bands = self._core.bands(shard.feed)
                # A replay closes days all the time.
                next_at = now + _COUNT_SHARE * (time.monotonic() - now)
                self._counts[shard.number] = _Count(closed_ms, bands, next_at)
        totals: Counter[tuple[str, str | None]] = Counter()
        for count in self._counts.values():
            totals.update(count.bands)
        self._observer.accounts(totals)
