"""What the shell needs from the core, from the wire format and from whoever watches it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from agents.transport.runs import Run
from pipeline.terms.fleet_day import FleetDay
from pipeline.terms.records import Batch, DeadLetter, Outcome

CLAIM_KEY = b"\x00claim"
"""Changelog key of a new owner's claim; the claim's offset is the epoch of all that the owner writes."""

Entry = tuple[bytes, bytes | None]
"""Changelog key and value."""


class Feed(Protocol):
    """One input partition; see pipeline.intake.feed.Feed."""

    @property
    def number(self) -> int:
        """Partition number."""

    @property
    def positions(self) -> Mapping[str, int]:
        """Next offset to apply, by topic; 0 for a topic never read."""

    @property
    def fates(self) -> Mapping[str, Mapping[str, int]]:
        """How many records of each topic met each fate."""

    def start_at(self, positions: Mapping[str, int]) -> None:
        """Begin topics never read at these offsets."""

    def push(self, batch: Batch) -> Outcome:
        """Take a batch, apply what the day barriers permit in any topic, close days."""

    def learn(self, records: Sequence[FleetDay]) -> Outcome:
        """Take fleet records of all partitions in the order of their log; close the days that waited for them."""

    def told_ms(self) -> int:
        """End of the last day of which any partition has told; 0 before."""

    def queued(self, topic: str) -> int:
        """Records pushed and not yet applied."""

    def watermarks(self) -> Mapping[str, int]:
        """Own watermark of each topic in epoch ms; negative for a topic not heard of."""


class Loader(Protocol):
    """Rebuilds a Feed from its changelog; see pipeline.changelog.read.Loader."""

    @property
    def stale(self) -> int:
        """Values written by former owners after a newer owner's claim; not taken."""

    def add(self, key: bytes, value: bytes | None, offset: int) -> None:
        """Take the next changelog record in log order."""

    def finish(self) -> Feed:
        """The Feed as of the last complete checkpoint. Raises `SnapshotError` when the changelog cannot be read."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What operators want to know of a partition's state."""

    accounts: int
    size_bytes: int
    day_closed_ms: int
    """End of the last closed day; 0 before the first."""
    evictions: Mapping[str, int]
    """How many users, features and remembered event ids were evicted so far."""
    fleet_alerts: Mapping[str, int] = field(default_factory=dict)
    """Alerts of the fleet and of segments that are open, by kind."""


class Core(Protocol):
    """Makes, saves and explains Feeds."""

    def loader(self, number: int, partitions: int | None = None) -> Loader:
        """Rebuilds the Feed of a partition, one of so many; without their number, of one that is alone."""

    def checkpoint(self, feed: Feed, epoch: int) -> list[Entry]:
        """Changelog entries changed since the last checkpoint, the partition's record last."""

    def ledger_entry(self, feed: Feed) -> Mapping[str, Any]:
        """What became of every offset so far, as in schemas/ledger_entry.avsc."""

    def facts(self, feed: Feed) -> Facts:
        """Size and progress of the Feed's state."""

    def bands(self, feed: Feed) -> Mapping[tuple[str, str | None], int]:
        """Number of accounts by band and segment, as of the last closed day."""


Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Message:
    """A record to publish."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = field(default_factory=list)
    partition: int = -1
    """-1: by murmur2 of the key."""


class Wire(Protocol):
    """Bytes to batches, outcomes to messages."""

    def decode(self, run: Run) -> Batch:
        """Decode a run; bad records are marked in the batch, never raised.

        Raises:
            RegistryUnavailableError: a schema cannot be had now; the same run may be decoded later.
        """

    def outcome(self, outcome: Outcome) -> Iterable[Message]:
        """Alerts and health records as messages."""

    @property
    def fleet_topic(self) -> str | None:
        """Where partitions tell each other of their days; nothing when they do not."""

    def fleet_day(self, record: FleetDay) -> Message:
        """A fleet record as a message."""

    def read_fleet_day(self, value: bytes) -> FleetDay | None:
        """What `fleet_day` made a message of; nothing when another deployment did, or when it cannot be read."""

    def dead_letter(self, letter: DeadLetter) -> Message:
        """A quarantined record as a message."""

    def ledger(self, entry: Mapping[str, Any]) -> Message:
        """A ledger entry as a message."""

    def tick(self, topic: str, partition: int, at_ms: int) -> Message:
        """A tick for one partition of an input topic."""


class Observer(Protocol):
    """Told what happens; labels are bounded."""

    def records(self, topic: str, fate: str, count: int) -> None:
        """Records of a topic met a fate."""

    def alert(self, record: Mapping[str, Any]) -> None:
        """An alert record was published."""

    def checkpoint(self, seconds: float, entries: int, size_bytes: int) -> None:
        """A checkpoint is durable."""

    def watermark(self, partition: int, topic: str, at_ms: int) -> None:
        """Own watermark of a topic in a partition."""

    def lag(self, topic: str, partition: int, records: int) -> None:
        """Records of a topic-partition not yet applied."""

    def rebalance(self) -> None:
        """The group is rebalancing."""

    def recovery(self, seconds: float, entries: int, stale: int) -> None:
        """State was rebuilt from so many changelog records, `stale` of them beaten by higher positions."""

    def invariant(self, kind: str) -> None:
        """Something was seen that should not happen; `kind` from a fixed set."""

    def suppressed(self, by: str, count: int) -> None:
        """Alerts stayed closed on a day while a wider one was open."""

    def dead_letter(self, topic: str, reason: str, count: int = 1) -> None:
        """Records of a topic were dead-lettered."""

    def batch(self, records: int) -> None:
        """A batch of so many records was applied."""

    def day_closed(self, partition: int, end_ms: int) -> None:
        """A partition closed a day that ended then."""

    def event_to_alert(self, seconds: float, alert_id: str | None = None) -> None:
        """An alert was acknowledged so long after the record that set it off had arrived."""

    def detection_latency(self, seconds: float) -> None:
        """A batch's alerts were acknowledged so long after it was taken."""

    def state(self, partition: int, accounts: int, size_bytes: int) -> None:
        """A partition's state holds so many accounts."""

    def accounts(self, counts: Mapping[tuple[str, str | None], int]) -> None:
        """Accounts of all partitions here, by band and segment."""

    def evictions(self, of: str, count: int) -> None:
        """Users or features were dropped from accounts that had too many."""

    def fleet_alerts(self, partition: int, counts: Mapping[str, int]) -> None:
        """As a partition knows it, so many alerts of the fleet and of segments are open, by kind."""

    def released(self, partition: int) -> None:
        """A partition is not ours any more."""


class _Unobserved:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return _do_nothing


def _do_nothing(*_: object, **__: object) -> None:
    pass


def unobserved() -> Observer:
    """An observer that tells nobody."""
    return cast("Observer", _Unobserved())
