"""Members of accounts (users or features) and the days on which each was active."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.terms.arrays import I32, I64, U8, U64, Bools
from pipeline.terms.hash_index import HashIndex
from pipeline.terms.hashing import combine

Places = I32 | I64
ID_BYTES = 40
"""How much of a member's id is kept to name it in an alert; the hash of the whole id is its identity."""
_ID_STEP = 8
RING_DAYS = 128
_ONE = np.uint64(1)


def unmarked(bits: U64, places: Places, day: int) -> Places:
    """The places, each once, whose bit of a day is not set."""
    slot = day % RING_DAYS
    unset = np.sort(places[bits[places, slot >> 6] & (_ONE << np.uint64(slot & 63)) == 0])
    # Sorted here because numpy's own way to distinct values is several times slower.
    return unset[np.r_[True, unset[1:] != unset[:-1]]] if len(unset) else unset


def mark_day(bits: U64, places: Places, day: int) -> None:
    """Set the bit of a day in rows of a two-word day ring."""
    slot = day % RING_DAYS
    word = slot >> 6
    bits[places, word] |= _ONE << np.uint64(slot & 63)


def by_day(days: I64, places: Places) -> Iterator[tuple[int, Places]]:
    """The places of each distinct day; a batch mostly has one."""
    if not len(days):
        return
    low, high = int(days.min()), int(days.max())
    if low == high:
        yield low, places
        return
    for day in np.unique(days):
        yield int(day), places[days == day]


def clear_day(bits: U64, day: int, rows: Bools | None = None) -> None:
    """Clear the bit of a day in all rows, or in some."""
    slot = day % RING_DAYS
    mask = ~(_ONE << np.uint64(slot & 63))
    if rows is None:
        bits[:, slot >> 6] &= mask
    else:
        bits[rows, slot >> 6] &= mask


def last_days(bits: U64, day: int, count: int) -> U64:
    """The `count` (≤ 64) days that end with `day`, one word a row: bit 0 is the oldest, bit `count − 1` is `day`."""
    first = (day - count + 1) % RING_DAYS
    low = np.uint64(first & 63)
    here, there = bits[:, first >> 6], bits[:, 1 - (first >> 6)]
    window = here >> low
    if low:
        window = window | (there << (np.uint64(64) - low))
    if count < 64:
        window = window & ((_ONE << np.uint64(count)) - _ONE)
    return np.asarray(window, dtype=np.uint64)


def active_weeks(words: U64, weeks: int) -> list[Bools]:
    """Whether each of so many weeks, the oldest first, has an active day; day words as of `last_days`."""
    return [(words >> np.uint64(7 * week)) & np.uint64(127) != 0 for week in range(weeks)]


def count_weeks(words: U64, weeks: int) -> U8:
    """How many of so many weeks have an active day; day words as of `last_days`."""
    # The first bit of each week takes up those of the other six days.
    any_day = words | (words >> _ONE)
    any_day |= any_day >> np.uint64(2)
    any_day |= any_day >> np.uint64(3)
    return np.asarray(np.bitwise_count(any_day & np.uint64(sum(1 << 7 * week for week in range(weeks)))))


class Members:
    """Columns over all members of a partition's accounts.

    Row 0 is a bin: freed members point to it as their owner and have no active day, so counting by owner needs no
    filter. `heads`/`nexts` chain the members of one account.
    """

    COLUMNS: tuple[str, ...] = ("owner", "hashes", "keys", "bits", "last_day", "ids", "_nexts")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 1
        self.untracked = 0
        self.evicted = 0
        self._allocate(1024)
        self._index = HashIndex()
        self._free: list[int] = []
        self._heads = np.zeros(1024, dtype=np.int32)
        self._counts = np.zeros(1024, dtype=np.int32)

    def _allocate(self, capacity: int) -> None:
        self.owner: I32 = np.zeros(capacity, dtype=np.int32)
        self.hashes: U64 = np.zeros(capacity, dtype=np.uint64)
        self.keys: U64 = np.zeros(capacity, dtype=np.uint64)
        self.bits = np.zeros((capacity, 2), dtype=np.uint64)
        self.last_day: I32 = np.zeros(capacity, dtype=np.int32)
        self.ids = np.zeros(capacity, dtype=f"S{_ID_STEP}")
        """As wide as the longest of them needs."""
        self._nexts = np.zeros(capacity, dtype=np.int32)

    def reserve(self, needed: int) -> None:
        """Make room for so many members."""
        capacity = len(self.owner)
        if needed <= capacity:
            return
        capacity = max(needed, capacity + capacity // 8)
        for name in self.COLUMNS:
            old = getattr(self, name)
            new = np.zeros((capacity, *old.shape[1:]), dtype=old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    def fit_accounts(self, capacity: int) -> None:
        """Make room for account rows below `capacity`."""
        for name in ("_heads", "_counts"):
            old = getattr(self, name)
            if capacity > len(old):
                new = np.zeros(capacity, dtype=old.dtype)
                new[: len(old)] = old
                setattr(self, name, new)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        columns: int = sum(getattr(self, name).nbytes for name in (*self.COLUMNS, "_heads", "_counts"))
        return columns + self._index.nbytes

    def mark(self, rows: I32, account_hashes: U64, hashes: U64, ids: pa.Array, days: I64) -> list[tuple[int, I32]]:
        """Record activity: one account row, account hash, member hash, member id and day per event.

        Returns each day with the account rows of the members that became active on it, one entry a member.

        An account with twice the limit of members gets no further ones until the day closes.
        """
        return self._mark(self._tracked(rows, account_hashes, hashes, ids), days)

    def _tracked(self, rows: I32, account_hashes: U64, hashes: U64, ids: pa.Array) -> Places:
        """The member of each event, new ones included; −1 where it is one too many."""
        keys = combine(account_hashes, hashes)
        places = self._index.lookup(keys, self.keys)
        missing = np.flatnonzero(places < 0)
        if len(missing):
            self._create(rows, hashes, keys, ids, missing)
            places[missing] = self._index.lookup(keys[missing], self.keys)
        return places

    def _mark(self, places: Places, days: I64) -> list[tuple[int, I32]]:
        tracked = places >= 0
        if not tracked.all():
            self.untracked += int((~tracked).sum())
            places, days = places[tracked], days[tracked]
        fresh = []
        for day, chosen in by_day(days, places):
            new = unmarked(self.bits, chosen, day)
            fresh.append((day, self.owner[new]))
            mark_day(self.bits, new, day)
            self.last_day[new] = np.maximum(self.last_day[new], np.int32(day))
        return fresh

    def _create(self, rows: I32, hashes: U64, keys: U64, ids: pa.Array, missing: npt.NDArray[np.intp]) -> None:
        ordered = np.sort(keys[missing])
        new = missing
        if (ordered[1:] == ordered[:-1]).any():
            new = missing[np.sort(np.unique(keys[missing], return_index=True)[1])]
        new = new[self._within_limit(rows[new])]
        if not len(new):
            return
        names = ids.take(pa.array(new)).cast(pa.binary()).to_numpy(zero_copy_only=False)
        self._append(rows[new], hashes[new], keys[new], names.astype(f"S{ID_BYTES}"))

    def _within_limit(self, rows: I32) -> Bools:
        """Which of the new members fit, in order of arrival, below twice their account's limit."""
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
        fits = np.empty(len(rows), dtype=np.bool_)
        fits[order] = self._counts[ordered] + rank < 2 * self.limit
        return fits

    def _append(self, rows: I32, hashes: U64, keys: U64, ids: npt.NDArray[np.bytes_]) -> I32:
        count = len(rows)
        reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
        fresh = count - len(reused)
        self.reserve(self.size + fresh)
        places = np.array(reused + list(range(self.size, self.size + fresh)), dtype=np.int32)
        self.size += fresh
        self.owner[places] = rows
        self.hashes[places] = hashes
        self.keys[places] = keys
        self._fit_ids(ids)
        self.ids[places] = ids
        self.bits[places] = 0
        self.last_day[places] = -1
        self._index.insert(places, self.keys)
        self._link(rows, places)
        np.add.at(self._counts, rows, 1)
        return places

    def _fit_ids(self, ids: npt.NDArray[np.bytes_]) -> None:
        longest = int(np.char.str_len(ids).max(initial=0))
        if longest > self.ids.dtype.itemsize:
            self.ids = self.ids.astype(f"S{-(-longest // _ID_STEP) * _ID_STEP}")

    def _link(self, rows: I32, places: I32) -> None:
        order = np.argsort(rows, kind="stable")
        rows, places = rows[order], places[order]
        last = np.r_[rows[1:] != rows[:-1], True]
        self._nexts[places[last]] = self._heads[rows[last]]
        inner = np.flatnonzero(~last)
        self._nexts[places[inner]] = places[inner + 1]
        first = np.r_[True, last[:-1]]
        self._heads[rows[first]] = places[first]

    def named(self, account_hashes: U64, hashes: U64) -> I32:
        """Members by account and id; 0, who has no active day, for those that are not known."""
        return np.maximum(self._index.lookup(combine(account_hashes, hashes), self.keys), 0)

    def of(self, rows: I32) -> tuple[I32, I32]:
        """Members of the given accounts: their places, and for each the position of its account in `rows`."""
        places, positions = [], []
        position = np.arange(len(rows), dtype=np.int32)
        current = self._heads[rows]
        while True:
            live = current > 0
            if not live.any():
                break
            current, position = current[live], position[live]
            owned = self.owner[current] > 0
            places.append(current[owned])
            positions.append(position[owned])
            current = self._nexts[current]
        if not places:
            return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32)
        return np.concatenate(places), np.concatenate(positions)

    def of_one(self, row: int) -> I32:
        """Members of one account."""
        places = []
        current = self._heads.item(row)
        while current > 0:
            if self.owner.item(current):
                places.append(current)
            current = self._nexts.item(current)
        return np.array(places, dtype=np.int32)

    def restore(
        self,
        rows: I32,
        account_hashes: U64,
        hashes: U64,
        ids: npt.NDArray[np.bytes_],
        bits: U64,
        last_day: I32,
    ) -> I32:
        """Take back members that a changelog value holds; returns their places."""
        places = self._append(rows, hashes, combine(account_hashes, hashes), ids)
        self.bits[places] = bits
        self.last_day[places] = last_day
        return places

    def forget_day(self, day: int, held: Bools | None) -> None:
        """Make room for a day, and drop members without any active day left; `held` account rows are left alone."""
        used = slice(1, self.size)
        chosen = None if held is None else ~held[self.owner[used]]
        clear_day(self.bits[used], day, chosen)
        idle = ((self.bits[used, 0] | self.bits[used, 1]) == 0) & (self.owner[used] > 0)
        if chosen is not None:
            idle &= chosen
        if idle.any():
            self._release(np.flatnonzero(idle).astype(np.int32) + 1)

    def enforce_limit(self, held: Bools | None) -> I32:
        """Drop the least recent members beyond the limit; returns the account rows that lost some."""
        crowded = np.flatnonzero(self._counts > self.limit).astype(np.int32)
        if held is not None:
            crowded = crowded[~held[crowded]]
        if len(crowded):
            self._shrink(crowded)
        return crowded

    def _shrink(self, rows: I32) -> None:
        places, positions = self.of(rows)
        order = np.lexsort((self.hashes[places], self.last_day[places], positions))[::-1]
        places, positions = places[order], positions[order]
        starts = np.flatnonzero(np.r_[True, positions[1:] != positions[:-1]])
        rank = np.arange(len(places)) - np.repeat(starts, np.diff(np.r_[starts, len(places)]))
        losers = places[rank >= self.limit]
        self.evicted += len(losers)
        self._release(losers)

    def _release(self, places: I32) -> None:
        """Free members; the chains drop them here, so that `of` stays linear in what lives."""
        rows = np.unique(self.owner[places])
        self._index.remove(places, self.keys)
        np.subtract.at(self._counts, self.owner[places], 1)
        self.owner[places] = 0
        self.bits[places] = 0
        survivors, positions = self.of(rows)
        self._heads[rows] = 0
        self._nexts[places] = 0
        if len(survivors):
            self._link(rows[positions], survivors)
        self._free.extend(places.tolist())
