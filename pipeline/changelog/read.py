"""Rebuilding a partition's feed from its changelog."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline.changelog.layout import Layout, epoch_of, read_layout
from pipeline.changelog.records import (
    CLAIM_KEY,
    LAYOUT_PREFIX,
    POSITION_KEY,
    ROLES_FORMAT,
    ROLES_HEAD,
    ROLES_KEY,
    SEEN_HEAD,
    SEEN_PREFIX,
    PartitionRecord,
    SnapshotError,
    read_head,
    read_partition_record,
    read_role_names,
)
from pipeline.changelog.restore import restore_accounts
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.state.seen import SeenChunk


@dataclass(slots=True)
class Loader:
    """Takes a partition's changelog in log order; `finish` builds the feed.

    A value whose epoch is older than a claim before it was written by a frozen former owner: it is not taken, it is
    counted in `stale`, and its account is written again at the next checkpoint.
    """

    config: EngineConfig
    number: int
    partitions: int | None = None
    """As the feed takes it."""
    stale: int = 0
    epoch: int = -1
    """Offset of the newest claim or the newest epoch of a value."""
    partitions_then: int = 0
    """Partitions of each topic when the state was written; 0 if it does not say. Known by `finish`."""
    _values: dict[bytes, bytes] = field(default_factory=dict)
    _beaten: set[bytes] = field(default_factory=set)

    @property
    def keys(self) -> set[bytes]:
        """Keys of all records that are to be deleted when the partition begins anew; until `finish`."""
        return self._values.keys() | self._beaten

    def add(self, key: bytes, value: bytes | None, offset: int) -> None:
        """One changelog record. What cannot be read is told by `finish`: a later record may replace it."""
        if key == CLAIM_KEY:
            self.epoch = offset
            return
        if value is None:
            self._values.pop(key, None)
            return
        epoch = self._epoch_of(key, value)
        if epoch < self.epoch:
            self.stale += 1
            self._beaten.add(key)
            return
        self.epoch = epoch
        self._values[key] = value

    def _epoch_of(self, key: bytes, value: bytes) -> int:
        """The epoch of a value; the newest of one that cannot be read, and of layouts, which say the same for ever."""
        if key.startswith(LAYOUT_PREFIX):
            return self.epoch
        try:
            if key == POSITION_KEY:
                return read_partition_record(value).epoch
            if key == ROLES_KEY:
                return int(read_head(value, "names of roles", ROLES_HEAD, ROLES_FORMAT)["epoch"])
            if key.startswith(SEEN_PREFIX):
                return int(read_head(value, "seen ids", SEEN_HEAD)["epoch"])
            return epoch_of(value)
        except SnapshotError:
            return self.epoch

    def finish(self) -> Feed:
        """The feed as of the last complete checkpoint, accounts of a cut one kept ahead of it.

        Raises `SnapshotError` when anything that the changelog holds is no state of ours.
        """
        feed = Feed(self.config, self.number, self.partitions)
        position = self._values.pop(POSITION_KEY, None)
        record = read_partition_record(position) if position is not None else None
        if record is not None:
            self.partitions_then = record.partitions
            _restore_topics(feed, record)
        for key in self._keys(SEEN_PREFIX):
            _restore_seen(feed, key, self._values.pop(key))
        names = self._values.pop(ROLES_KEY, None)
        if names is not None:
            feed.state.users.role_names.known.update(read_role_names(names))
        feed.state.users.role_names.dirty = ROLES_KEY in self._beaten
        layouts = self._layouts()
        feed.state.layouts.update(layouts)
        restore_accounts(feed, self._values, layouts)
        for key in self._beaten:
            row = feed.state.accounts.row_of(key.decode()) if not key.startswith(b"\x00") else -1
            if row > 0:
                feed.state.accounts.dirty[row] = True
        return feed

    def _keys(self, prefix: bytes) -> list[bytes]:
        return [key for key in self._values if key.startswith(prefix)]

    def _layouts(self) -> dict[bytes, Layout]:
        """Layouts by tag."""
        layouts = [read_layout(key, self._values.pop(key)) for key in self._keys(LAYOUT_PREFIX)]
        return {layout.tag: layout for layout in layouts}


def _restore_topics(feed: Feed, record: PartitionRecord) -> None:
    for name, saved in record.topics.items():
        topic = feed.topics.get(name)
        if topic is None:
            continue
        ledger = topic.ledger
        ledger.position, ledger.start, ledger.holes = saved.position, saved.start, saved.holes
        ledger.fates.update(saved.fates)
        topic.end = saved.position
        topic.read_by = saved.read_by
        topic.reached_ms = topic.queued_ms = topic.head_ms = saved.reached_ms
    state = feed.state
    state.users.evicted, state.features.evicted = record.evicted["users"], record.evicted["features"]
    state.users.untracked = record.evicted["untracked_users"]
    state.features.untracked = record.evicted["untracked_features"]
    for name, seen in state.seen.items():
        seen.evicted = record.evicted.get(name, 0)
    state.definitions |= record.definitions
    state.fleet.restore(record.fleet)
    state.fleet_alerts.books.update(record.fleet_books)
    if record.open_day:
        state.enter_day(record.open_day)


def _restore_seen(feed: Feed, key: bytes, value: bytes) -> None:
    topic, number = key[len(SEEN_PREFIX) :].decode().split("\x00")
    head = read_head(value, "seen ids", SEEN_HEAD)
    seen = feed.state.seen.get(topic)
    if seen is None:
        return
    cut = int(head["end"]) > feed.topics[topic].ledger.position
    if cut or int(head["day"]) < feed.state.first_amendable_day:
        # Of a checkpoint that was cut, its records are read again; or of a day that is too late.
        seen.discard(int(number))
        return
    ids = np.frombuffer(value, dtype="<u8", offset=SEEN_HEAD.itemsize).astype(np.uint64)
    seen.restore(SeenChunk(int(number), int(head["day"]), int(head["end"]), ids))
