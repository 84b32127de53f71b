"""Accounts from their values, thousands at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.books.book import Book
from pipeline.books.endings import remembers
from pipeline.books.signals import awaits_promotion, context_of, same_context
from pipeline.changelog.layout import (
    MEMBER,
    PANE_WIDTHS,
    START,
    TAG,
    TAGGED,
    UNTAGGED,
    UNTAGGED_START,
    Layout,
    changed_column,
    epoch_of,
    member_dtype,
    present,
)
from pipeline.changelog.records import SnapshotError
from pipeline.intake.feed import Feed
from pipeline.state.accounts import SCALARS, passed, weeks_of
from pipeline.state.members import ID_BYTES, RING_DAYS, Members
from pipeline.state.panes import PANES, fitting
from pipeline.state.state import Ahead, State
from pipeline.terms.arrays import I32, I64, U8, U64
from pipeline.terms.hashing import hash64

_BLOCK = 8192
_TAGGED = bytes([TAGGED])


@dataclass(slots=True)
class _Group:
    """Values of one layout, whose members' ids are equally wide."""

    layout: Layout
    head: np.dtype[np.void]
    id_width: int
    values: dict[bytes, bytes]

    @property
    def members(self) -> list[np.dtype[np.void]]:
        """What one user and one feature take."""
        return [member_dtype(columns, self.id_width) for columns in (self.layout.users, self.layout.features)]

    def counts(self) -> I64:
        """How many users and features the values say that they hold; raises `SnapshotError` if they cannot."""
        start = self.head.fields["users"][1] if self.head.fields else 0
        sizes = np.fromiter(map(len, self.values.values()), np.int64, len(self.values))
        data = b"".join(value[start : start + 8].ljust(8) for value in self.values.values())
        counts = np.frombuffer(data, "<u4").reshape(-1, 2).astype(np.int64)
        needed = self.head.itemsize + counts @ [member.itemsize for member in self.members]
        wrong = np.flatnonzero(needed > sizes)
        if len(wrong):
            raise _damaged(list(self.values)[wrong[0]])
        return np.asarray(counts.sum(axis=0))

    def blocks(self) -> Iterator[_Block]:
        """The values, some at a time; they are given up as they are taken."""
        while self.values:
            taken = [self.values.popitem() for _ in range(min(_BLOCK, len(self.values)))]
            yield _Block(*map(list, zip(*taken, strict=True)))


class _Block:
    """Values that are read from their beginnings to their ends, the same part of all at once."""

    def __init__(self, keys: list[bytes], values: list[bytes]) -> None:
        self.keys, self.values = keys, values
        self._read = [0] * len(values)

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, dtype: np.dtype[Any], counts: Iterable[int], places: Iterable[int] | None = None) -> Any:
        """The next items of each value, or of those at some places; raises `SnapshotError` where they are missing."""
        size, parts, read = dtype.itemsize, [], self._read
        for place, count in zip(range(len(self)) if places is None else places, counts, strict=False):
            start = read[place]
            end = read[place] = start + count * size
            parts.append(self.values[place][start:end])
            if end > len(self.values[place]):
                raise _damaged(self.keys[place])
        return np.frombuffer(b"".join(parts), dtype)

    def rest(self) -> Iterator[tuple[bytes, bytes]]:
        """Key, and what is left of the value, of each."""
        for key, value, read in zip(self.keys, self.values, self._read, strict=True):
            yield key, value[read:]


def _damaged(key: bytes) -> SnapshotError:
    return SnapshotError(f"account {key.decode(errors='replace')}: its value is not what its head says")


def restore_accounts(feed: Feed, values: dict[bytes, bytes], layouts: Mapping[bytes, Layout]) -> None:
    """Give an empty feed its accounts, with what their values cover beyond its positions; `values` is emptied.

    Raises `SnapshotError` for a value that cannot be read.
    """
    state = feed.state
    groups = _grouped(values, layouts, present(feed.topics, roles=True))
    _reserve(state, groups)
    closed: list[I32] = [np.array([-1], dtype=np.int32)]
    reached: list[I64] = [np.zeros((1, len(feed.topics)), dtype=np.int64)]
    for group in groups:
        for block in group.blocks():
            head = _restore_block(state, group, block)
            closed.append(head["closed_day"])
            reached.append(_positions(head, group.layout, list(feed.topics)))
    if len(closed) == 1:
        return
    closed_day, positions = np.concatenate(closed), np.concatenate(reached).T
    _catch_up(state, closed_day)
    current = np.array([topic.ledger.position for topic in feed.topics.values()])
    if (positions > current[:, None]).any() or (closed_day >= state.open_day).any():
        state.ahead = Ahead(np.ascontiguousarray(positions), closed_day)


def _grouped(values: dict[bytes, bytes], layouts: Mapping[bytes, Layout], ours: Layout) -> list[_Group]:
    groups: dict[bytes, _Group] = {}
    while values:
        key, value = values.popitem()
        name = value[:2] + value[TAG] if value[:1] == _TAGGED else value[:2]
        group = groups.get(name)
        if group is None:
            try:
                group = groups[name] = _group_of(value, layouts, ours)
            except SnapshotError as error:
                raise SnapshotError(f"account {key.decode(errors='replace')}: {error}") from error
        group.values[key] = value
    return list(groups.values())


def _group_of(value: bytes, layouts: Mapping[bytes, Layout], ours: Layout) -> _Group:
    """The group that begins with a value; raises `SnapshotError`."""
    epoch_of(value)
    number, id_width, tag = value[0], value[1], value[TAG]
    layout = layouts.get(tag) if number == TAGGED else UNTAGGED[number]
    if layout is None:
        raise SnapshotError(f"the changelog holds no layout {tag.hex()}")
    if changed := changed_column(layout, ours):
        raise SnapshotError(f"its layout is not that of this release: {changed}")
    if not 0 < id_width <= ID_BYTES:
        raise SnapshotError(f"ids of {id_width} bytes")
    return _Group(layout, layout.head(START if number == TAGGED else UNTAGGED_START), id_width, {})


def _reserve(state: State, groups: Iterable[_Group]) -> None:
    """Make room for exactly what the values hold."""
    accounts = users = features = 0
    for group in groups:
        accounts += len(group.values)
        counted = group.counts()
        users, features = users + int(counted[0]), features + int(counted[1])
    state.accounts.reserve(state.accounts.size + accounts)
    state.users.reserve(state.users.size + users)
    state.features.reserve(state.features.size + features)


def _positions(head: npt.NDArray[np.void], layout: Layout, topics: list[str]) -> I64:
    """How far each value covers each of our topics: not at all, if it does not know of it."""
    found = np.zeros((len(head), len(topics)), dtype=np.int64)
    for place, topic in enumerate(topics):
        if topic in layout.topics:
            found[:, place] = head["positions"][:, layout.topics.index(topic)]
    return found


def _restore_block(state: State, group: _Group, block: _Block) -> npt.NDArray[np.void]:
    accounts, layout = state.accounts, group.layout
    head: npt.NDArray[np.void] = block.take(group.head, repeat(1))
    ids = [key.decode() for key in block.keys]
    hashes = hash64(pa.array(ids, pa.string()))
    rows = accounts.add(ids, hashes)
    state.users.fit_accounts(accounts.capacity)
    state.features.fit_accounts(accounts.capacity)
    accounts.bits[rows] = head["bits"]
    for name in SCALARS.keys() & layout.scalars.keys():
        getattr(accounts, name)[rows] = head[name]
    if "weeks" not in layout.scalars:
        accounts.weeks[rows] = weeks_of(head["bits"], head["closed_day"] + 2)
    _restore_standings(state, layout.standing, block, head["standings"], rows)
    _restore_panes(state, layout, block, head["pane_widths"], rows)
    for members, name, dtype in zip((state.users, state.features), ("users", "features"), group.members, strict=True):
        counts = head[name].astype(np.int64)
        saved = block.take(dtype, counts.tolist())
        _restore_members(members, saved, np.repeat(rows, counts), np.repeat(hashes, counts))
    books = {
        row: _restore_book(state, row, key, rest)
        for row, (key, rest) in zip(rows.tolist(), block.rest(), strict=True)
        if rest
    }
    accounts.summarise_books(books)
    return head


def _restore_standings(state: State, dtype: np.dtype[np.void], block: _Block, counts: U8, rows: I32) -> None:
    for count in np.unique(counts).tolist():
        chosen = np.flatnonzero(counts == count)
        stored = block.take(dtype, repeat(count), chosen.tolist())
        state.accounts.standings.restore(rows[chosen], stored.reshape(len(chosen), count))


def _restore_panes(state: State, layout: Layout, block: _Block, widths: U8, rows: I32) -> None:
    panes = state.accounts.panes
    wrong = np.flatnonzero((widths >= len(PANE_WIDTHS)).any(axis=1))
    if len(wrong):
        raise _damaged(block.keys[wrong[0]])
    for number, (name, stored_type) in enumerate(layout.panes.items()):
        days = np.dtype(stored_type).shape[0]
        for code in np.unique(widths[:, number]).tolist():
            width = PANE_WIDTHS[code]
            if width is None:
                continue
            chosen = np.flatnonzero(widths[:, number] == code)
            stored = block.take(np.dtype(width), repeat(days), chosen.tolist()).reshape(len(chosen), days).T
            if name in PANES:
                panes[name] = pane = fitting(panes[name], stored)
                pane[:, rows[chosen]] = stored


def _restore_members(members: Members, saved: npt.NDArray[np.void], rows: I32, account_hashes: U64) -> None:
    if not len(saved):
        return
    ids = saved["ids"].astype(f"S{ID_BYTES}")
    places = members.restore(rows, account_hashes, saved["hashes"], ids, saved["bits"], saved["last_day"])
    for name in members.COLUMNS:
        if name in (saved.dtype.names or ()) and name not in MEMBER:
            getattr(members, name)[places] = saved[name]


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


def _catch_up(state: State, closed_day: I32) -> None:
    """Age the accounts that no later close has changed, and which were therefore not written again."""
    if state.open_day == 0 or not len(closed_day):
        return
    newest = state.open_day + 1
    state.accounts.weeks[: len(closed_day)] &= ~passed(closed_day + 2, newest)
    mask = np.zeros(state.accounts.capacity, dtype=np.bool_)
    for day in range(max(int(closed_day[1:].min()) + 3, newest - RING_DAYS + 1), newest + 1):
        mask[: len(closed_day)] = closed_day + 2 < day
        mask[0] = False
        state.accounts.age(day, ~mask)
        for members in (state.users, state.features):
            members.forget_day(day, ~mask)
