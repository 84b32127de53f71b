"""What the metrics are told about outputs and checkpoints, once they are acknowledged."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from agents.worker.partition import Partition
from pipeline.changelog.records import Entry
from pipeline.portfolio.engagement import WINDOW_DAYS
from pipeline.scorecards.bands import NAMES
from pipeline.state.members import last_days
from pipeline.state.state import State
from pipeline.terms.arrays import I32, I64
from pipeline.terms.records import Batch, Outcome, RecordKind
from sinks.metrics import Metrics

logger = logging.getLogger(__name__)

_COUNT_SHARE = 50
"""Counting the accounts by band takes at most this fraction of the time."""

Share = tuple[str, str | None]
"""What is counted, and the segment."""
Part = tuple[Partition, list[Entry], dict[str, int]]
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
    """Accounts of a partition by band and segment, and their users and seats by segment."""

    closed_ms: int
    """End of the day as of which they were counted."""
    bands: Counter[Share]
    users: Counter[Share]
    next_at: float
    """Monotonic time before which they are not counted again."""


class Reporter:
    """Collects what is under way and tells the metrics when it is durable."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._announced: list[Announced] = []
        self._evictions: Counter[tuple[int, str]] = Counter()
        self._unknown_countries: set[str] = set()
        self._closed_ms: dict[int, int] = {}
        self._counts: dict[int, _Count] = {}

    def applied(self, partition: Partition, batch: Batch) -> None:
        """A batch was applied."""
        self._metrics.batch(len(batch))
        ticks = int(np.count_nonzero(batch.kind == RecordKind.TICK))
        if ticks:
            self._metrics.ticks(batch.topic, ticks)
        self.moved(partition)

    def moved(self, partition: Partition) -> None:
        """Records of a partition have met their fates."""
        for topic, fate, count in partition.fates_since():
            self._metrics.records(topic, fate, count)

    def suppressed(self, outcome: Outcome) -> None:
        """Count the alerts that stayed closed."""
        for by, count in outcome.suppressed.items():
            self._metrics.suppressed(by, count)

    def owned(self, partitions: Iterable[Partition]) -> None:
        """These partitions are ours now, and no others."""
        here = {partition.number: partition for partition in partitions}
        for number in self._closed_ms.keys() - here.keys():
            self._metrics.released(number)
            del self._closed_ms[number], self._counts[number]
        for partition in here.values():
            self._report_state(partition)
        self._report_bands(here.values())

    def announced(self, read_at: float, arrived_ms: int, outcome: Outcome) -> None:
        """Outputs were produced."""
        self._announced.append(Announced(read_at, arrived_ms, outcome))

    def take(self) -> list[Announced]:
        """What was announced since this was last called."""
        taken, self._announced = self._announced, []
        return taken

    def acknowledged(self, announced: Iterable[Announced]) -> None:
        """Those outputs are durable."""
        now, wall_s = time.monotonic(), time.time()
        for each in announced:
            if each.outcome.alerts:
                self._metrics.detection_latency(now - each.read_at)
            for record in each.outcome.alerts:
                self._metrics.alert(record)
                self._metrics.event_to_alert(max(0.0, wall_s - each.arrived_ms / 1000), record.get("alert_id"))
            reasons = Counter((letter.topic, letter.reason) for letter in each.outcome.dead_letters)
            for (topic, reason), count in reasons.items():
                self._metrics.dead_letter(topic, reason, count)

    def checkpointed(self, seconds: float, parts: Iterable[Part]) -> None:
        """A checkpoint is durable."""
        parts = list(parts)
        entries = sum(len(entries) for _, entries, _ in parts)
        size = sum(len(key) + len(value or b"") for _, entries, _ in parts for key, value in entries)
        self._metrics.checkpoint(seconds, entries, size)
        for partition, _, _ in parts:
            self._report_state(partition)
        self._report_bands(partition for partition, _, _ in parts)

    def unknown_countries(self, names: Iterable[str]) -> None:
        """Warn of names of countries in profiles, once each."""
        for name in sorted(set(names) - self._unknown_countries):
            self._unknown_countries.add(name)
            self._metrics.unknown_country()
            logger.warning("%r in profiles is no country with known holidays; it is taken to have none", name)

    def _report_state(self, partition: Partition) -> None:
        """Report what a partition holds and how far it is."""
        for topic, at_ms in partition.feed.watermarks().items():
            if at_ms > 0:
                self._metrics.watermark(partition.number, topic, at_ms)
        state = partition.feed.state
        self._metrics.state(partition.number, len(state.accounts), state.nbytes)
        self._metrics.fleet_alerts(partition.number, state.fleet_alerts.open_by_kind())
        for name, head in state.fleet.outlook.heads.items():
            self._metrics.outlook(partition.number, *name.split("/"), learned=head.learned)
        self.unknown_countries(state.accounts.belonging.unknown_countries)
        evictions = {
            "users": state.users.evicted,
            "features": state.features.evicted,
            "event_ids": sum(seen.evicted for seen in state.seen.values()),
        }
        for of, count in evictions.items():
            new = count - self._evictions[partition.number, of]
            if new > 0:
                self._metrics.evictions(of, new)
            self._evictions[partition.number, of] = count
        closed_ms = state.days.start_ms(state.open_day) if state.open_day > 0 else 0
        self._closed_ms[partition.number] = closed_ms
        if closed_ms > 0:
            self._metrics.day_closed(partition.number, closed_ms)

    def _report_bands(self, partitions: Iterable[Partition]) -> None:
        """Count the accounts of the partitions in which a day was closed, and report the sum of all."""
        now = time.monotonic()
        for partition in partitions:
            closed_ms, last = self._closed_ms[partition.number], self._counts.get(partition.number)
            if last is None or (last.closed_ms != closed_ms and now >= last.next_at):
                bands, users = counted(partition.feed.state)
                # A replay closes days all the time.
                next_at = now + _COUNT_SHARE * (time.monotonic() - now)
                self._counts[partition.number] = _Count(closed_ms, bands, users, next_at)
        bands, users = Counter[Share](), Counter[Share]()
        for count in self._counts.values():
            bands.update(count.bands)
            users.update(count.users)
        self._metrics.accounts(bands)
        self._metrics.users(users)


def counted(state: State) -> tuple[Counter[Share], Counter[Share]]:
    """Accounts by band and segment, as of the last closed day; their users of that day and of 28, and seats."""
    accounts = state.accounts
    rows, day = accounts.judged(), state.open_day - 1
    names = accounts.belonging.segments.names
    segments = [names[number] for number in accounts.belonging.segment[rows].tolist()]
    bands = Counter(zip((NAMES[band] for band in accounts.band[rows].tolist()), segments, strict=True))
    members = slice(1, state.users.size)
    seen = last_days(state.users.bits[members], day, WINDOW_DAYS)
    of = state.users.owner[members]
    users = Counter[Share]()
    for name, present in (("day", seen >> np.uint64(WINDOW_DAYS - 1) != 0), ("month", seen != 0)):
        _add(users, name, segments, np.bincount(of[present], minlength=accounts.size)[rows])
    _add(users, "seats", segments, accounts.seats[rows])
    return bands, users


def _add(counts: Counter[Share], name: str, segments: Sequence[str | None], values: I32 | I64) -> None:
    for segment, value in zip(segments, values.tolist(), strict=True):
        counts[name, segment] += value
