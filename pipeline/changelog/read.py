"""Rebuilding a partition's feed from its changelog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.books.book import Book
from pipeline.books.endings import remembers
from pipeline.books.signals import awaits_promotion, context_of, same_context
from pipeline.changelog.write import (
    CLAIM_KEY,
    HEAD,
    MEMBER_COUNTS,
    PANE_WIDTHS,
    POSITION_KEY,
    ROLES_HEAD,
    ROLES_KEY,
    SEEN_HEAD,
    SEEN_PREFIX,
    WITH_ROLES,
    PartitionRecord,
    SnapshotError,
    member_dtype,
    read_head,
    read_partition_record,
    read_role_names,
)
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.state.accounts import SCALARS
from pipeline.state.members import ID_BYTES, RING_DAYS, Members
from pipeline.state.panes import PANES, RING, fitting
from pipeline.state.seen import SeenChunk
from pipeline.state.standings import STANDING
from pipeline.state.state import Ahead, State
from pipeline.state.users import Users
from pipeline.terms.hashing import hash64

_BLOCK = 8192


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
    _values: dict[bytes, bytes] = field(default_factory=dict)
    _beaten: set[bytes] = field(default_factory=set)

    @property
    def keys(self) -> set[bytes]:
        """Keys of all records that are to be deleted when the partition begins anew; until `finish`."""
        return self._values.keys() | self._beaten

    def add(self, key: bytes, value: bytes | None, offset: int) -> None:
        """One changelog record. Raises `SnapshotError` on bytes that are no state of ours."""
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
        if key == POSITION_KEY:
            return read_partition_record(value).epoch
        if key == ROLES_KEY:
            return int(read_head(value, "names of roles", ROLES_HEAD, WITH_ROLES)["epoch"])
        if key.startswith(SEEN_PREFIX):
            return int(read_head(value, "seen ids", SEEN_HEAD)["epoch"])
        # The epoch stands behind two one-byte fields of the head.
        if len(value) < HEAD.itemsize:
            read_head(value, f"account {key.decode(errors='replace')}", HEAD, WITH_ROLES)
        return int.from_bytes(value[2:10], "little", signed=True)

    def finish(self) -> Feed:
        """The feed as of the last complete checkpoint, accounts of a cut one kept ahead of it."""
        feed = Feed(self.config, self.number, self.partitions)
        position = self._values.pop(POSITION_KEY, None)
        record = read_partition_record(position) if position is not None else None
        if record is not None:
            _restore_topics(feed, record)
        for key in [key for key in self._values if key.startswith(SEEN_PREFIX)]:
            _restore_seen(feed, key, self._values.pop(key))
        names = self._values.pop(ROLES_KEY, None)
        if names is not None:
            feed.state.users.role_names.known.update(read_role_names(names))
        feed.state.users.role_names.dirty = ROLES_KEY in self._beaten
        _restore_accounts(feed, self._values)
        for key in self._beaten:
            row = feed.state.accounts.row_of(key.decode()) if not key.startswith(b"\x00") else -1
            if row > 0:
                feed.state.accounts.dirty[row] = True
        return feed


def _restore_topics(feed: Feed, record: PartitionRecord) -> None:
    for name, saved in record.topics.items():
        topic = feed.topics[name]
        ledger = topic.ledger
        ledger.position, ledger.start, ledger.holes = saved.position, saved.start, saved.holes
        ledger.fates.update(saved.fates)
        topic.end = saved.position
        topic.reached_ms = topic.queued_ms = topic.head_ms = saved.reached_ms
    state = feed.state
    state.users.evicted, state.features.evicted = record.evicted["users"], record.evicted["features"]
    state.users.untracked = record.evicted["untracked_users"]
    state.features.untracked = record.evicted["untracked_features"]
    for name, seen in state.seen.items():
        seen.evicted = record.evicted[name]
    state.definitions |= record.definitions
    state.fleet.restore(record.fleet)
    state.fleet_alerts.books.update(record.fleet_books)
    if record.open_day:
        state.enter_day(record.open_day)


def _restore_seen(feed: Feed, key: bytes, value: bytes) -> None:
    topic, number = key[len(SEEN_PREFIX) :].decode().split("\x00")
    head = read_head(value, "seen ids", SEEN_HEAD)
    seen = feed.state.seen[topic]
    cut = int(head["end"]) > feed.topics[topic].ledger.position
    if cut or int(head["day"]) < feed.state.first_amendable_day:
        # Of a checkpoint that was cut, its records are read again; or of a day that is too late.
        seen.discard(int(number))
        return
    ids = np.frombuffer(value, dtype="<u8", offset=SEEN_HEAD.itemsize).astype(np.uint64)
    seen.restore(SeenChunk(int(number), int(head["day"]), int(head["end"]), ids))


def _restore_accounts(feed: Feed, values: dict[bytes, bytes]) -> None:
    state = feed.state
    _reserve(state, values)
    closed: list[npt.NDArray[np.int32]] = []
    positions: list[npt.NDArray[np.int64]] = []
    while values:
        block = [values.popitem() for _ in range(min(_BLOCK, len(values)))]
        head = _restore_block(state, block)
        closed.append(head["closed_day"])
        positions.append(head["positions"])
    if not closed:
        return
    closed_day = np.concatenate([[-1], *closed]).astype(np.int32)
    reached = np.concatenate([np.zeros((1, positions[0].shape[1]), np.int64), *positions]).T
    _catch_up(state, closed_day)
    current = np.array([topic.ledger.position for topic in feed.topics.values()])
    if (reached > current[:, None]).any() or (closed_day >= state.open_day).any():
        state.ahead = Ahead(np.ascontiguousarray(reached), closed_day)


def _reserve(state: State, values: Mapping[bytes, bytes]) -> None:
    """Make room for exactly what the values hold. Raises `SnapshotError` on a value in a newer format."""
    if any(value[0] > WITH_ROLES for value in values.values()):
        raise SnapshotError("an account's value has a newer format than this version reads: run the newer version")
    state.accounts.reserve(state.accounts.size + len(values))
    counts = b"".join(value[MEMBER_COUNTS] for value in values.values())
    users, features = np.frombuffer(counts, "<u4").reshape(-1, 2).sum(axis=0, dtype=np.int64).tolist()
    state.users.reserve(state.users.size + users)
    state.features.reserve(state.features.size + features)


def _restore_block(state: State, block: Sequence[tuple[bytes, bytes]]) -> npt.NDArray[np.void]:
    accounts = state.accounts
    head = np.frombuffer(b"".join(value[: HEAD.itemsize] for _, value in block), dtype=HEAD)
    ids = [key.decode() for key, _ in block]
    hashes = hash64(pa.array(ids, pa.string()))
    rows = accounts.add(ids, hashes)
    state.users.fit_accounts(accounts.capacity)
    state.features.fit_accounts(accounts.capacity)
    accounts.bits[rows] = head["bits"]
    for name in SCALARS:
        getattr(accounts, name)[rows] = head[name]
    starts = _restore_standings(state, block, head, rows)
    starts = _restore_panes(state, block, head, rows, starts)
    starts = _restore_members(state.users, block, head, "users", starts, rows, hashes)
    starts = _restore_members(state.features, block, head, "features", starts, rows, hashes)
    books = {
        row: _restore_book(state, row, key, value[start:])
        for (key, value), start, row in zip(block, starts, rows.tolist(), strict=True)
        if start < len(value)
    }
    accounts.summarise_books(books)
    return head


def _restore_standings(
    state: State, block: Sequence[tuple[bytes, bytes]], head: npt.NDArray[np.void], rows: npt.NDArray[np.int32]
) -> list[int]:
    starts = HEAD.itemsize + head["standings"].astype(np.int64) * STANDING.itemsize
    for count in np.unique(head["standings"]).tolist():
        chosen = np.flatnonzero(head["standings"] == count)
        data = b"".join(block[place][1][HEAD.itemsize : starts[place]] for place in chosen.tolist())
        stored = np.frombuffer(data, dtype=STANDING).reshape(len(chosen), count)
        state.accounts.standings.restore(rows[chosen], stored)
    return [int(start) for start in starts]


def _restore_panes(
    state: State,
    block: Sequence[tuple[bytes, bytes]],
    head: npt.NDArray[np.void],
    rows: npt.NDArray[np.int32],
    starts: list[int],
) -> list[int]:
    for number, name in enumerate(PANES):
        widths = head["pane_widths"][:, number]
        for code, dtype in enumerate(PANE_WIDTHS):
            chosen = np.flatnonzero(widths == code).tolist()
            if dtype is None or not chosen:
                continue
            size = RING * np.dtype(dtype).itemsize
            data = b"".join(block[place][1][starts[place] : starts[place] + size] for place in chosen)
            stored = np.frombuffer(data, dtype).reshape(len(chosen), RING).T
            state.accounts.panes[name] = pane = fitting(state.accounts.panes[name], stored)
            pane[:, rows[chosen]] = stored
            for place in chosen:
                starts[place] += size
    return starts


def _restore_members(
    members: Members,
    block: Sequence[tuple[bytes, bytes]],
    head: npt.NDArray[np.void],
    field_name: str,
    starts: list[int],
    rows: npt.NDArray[np.int32],
    hashes: npt.NDArray[np.uint64],
) -> list[int]:
    ends = list(starts)
    in_roles = (head["format"] >= WITH_ROLES) & isinstance(members, Users)
    for width, roles in sorted(set(zip(head["id_width"].tolist(), in_roles.tolist(), strict=True))):
        dtype = member_dtype(width, roles)
        chosen = np.flatnonzero((head["id_width"] == width) & (in_roles == roles))
        counts = head[field_name][chosen].astype(np.int64)
        for place, count in zip(chosen.tolist(), counts.tolist(), strict=True):
            ends[place] = starts[place] + count * dtype.itemsize
        data = b"".join(block[place][1][starts[place] : ends[place]] for place in chosen.tolist())
        saved = np.frombuffer(data, dtype=dtype)
        if len(saved):
            owners = np.repeat(chosen, counts)
            places = members.restore(
                rows[owners],
                hashes[owners],
                saved["hash"],
                saved["id"].astype(f"S{ID_BYTES}"),
                saved["bits"],
                saved["last_day"],
            )
            for name in Users.ROLES if roles else ():
                getattr(members, name)[places] = saved[name]
    return ends


def _restore_book(state: State, row: int, key: bytes, data: bytes) -> Book:
    try:
        book = state.accounts.books.restore(row, data)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"account {key.decode()}: {error}") from error
    if awaits_promotion(book):
        state.waiting_readings.add(row)
    if remembers(book):
        state.remembering.add(row)
    if not same_context(book.context, context_of(book, 0)):
        state.stale_context.add(row)
    state.choose_profile(row, book.context)
    return book


def _catch_up(state: State, closed_day: npt.NDArray[np.int32]) -> None:
    """Age the accounts that no later close has changed, and which were therefore not written again."""
    if state.open_day == 0 or not len(closed_day):
        return
    newest = state.open_day + 1
    mask = np.zeros(state.accounts.capacity, dtype=np.bool_)
    for day in range(max(int(closed_day[1:].min()) + 3, newest - RING_DAYS + 1), newest + 1):
        mask[: len(closed_day)] = closed_day + 2 < day
        mask[0] = False
        state.accounts.age(day, ~mask)
        for members in (state.users, state.features):
            members.forget_day(day, ~mask)
