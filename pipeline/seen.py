"""The dedup horizon: hashes of the event ids that were applied, for as long as a repeat could still count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.hashing import U64
from pipeline.index import HashIndex
from pipeline.members import by_day
from pipeline.records import I64

CHUNK_IDS = 64_000
"""Ids in one changelog record: half a megabyte."""
_MERGE_AT = 64


@dataclass(slots=True)
class SeenChunk:
    """Ids applied on one day, of the offsets below `end`; one changelog record.

    `number` is unique within a topic.
    """

    number: int
    day: int
    end: int
    ids: U64


class Seen:
    """Which event ids of one topic were applied, each with the day until which it matters.

    An id is forgotten when that day is too late, or, counted in `evicted`, when there are
    more than `max_ids`: then the oldest day's go first.
    """

    def __init__(self, max_ids: int) -> None:
        self._max_ids = max_ids
        self._index = HashIndex()
        self._by_day: dict[int, list[U64]] = {}
        self._fresh: dict[int, list[U64]] = {}
        self._chunks: dict[int, SeenChunk] = {}
        self._free: list[int] = []
        """Numbers of chunks whose content no longer matters; written over, never deleted: a deletion carries no epoch."""
        self._merged: list[int] = []
        self._next_chunk = 0
        self._count = 0
        self.evicted = 0

    def __len__(self) -> int:
        return sum(len(ids) for day in self._by_day.values() for ids in day)

    def add(self, ids: U64, days: I64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Remember the ids that are new, each until its day; returns which were new (of equal ids the first)."""
        if not len(ids):
            return np.empty(0, dtype=np.bool_)
        new = np.asarray(self._index.lookup(ids) < 0)
        places = np.flatnonzero(new)
        if len(places):
            candidates = ids[places]
            numbers = np.arange(self._count, self._count + len(places), dtype=np.int64)
            won = self._index.insert(candidates, numbers.astype(np.int32))
            self._count += len(places)
            new[places] = won
            taken = places[won]
            for day, chosen in by_day(days[taken], taken):
                self._by_day.setdefault(day, []).append(ids[chosen])
                self._fresh.setdefault(day, []).append(ids[chosen])
        if self._count > 2**31 - 2**24:
            self._rebuild()
        return new

    def forget_before(self, day: int) -> None:
        """Drop ids that were applied before this day, then the oldest days beyond the bound."""
        old = [applied for applied in self._by_day if applied < day]
        total = len(self)
        for applied in sorted(self._by_day):
            if total <= self._max_ids:
                break
            size = sum(map(len, self._by_day[applied]))
            total -= size
            if applied not in old:
                self.evicted += size
                old.append(applied)
        if not old:
            return
        for applied in old:
            del self._by_day[applied]
            self._fresh.pop(applied, None)
        for number in [number for number, chunk in self._chunks.items() if chunk.day in old]:
            del self._chunks[number]
            self._free.append(number)
        self._rebuild()

    def _rebuild(self) -> None:
        live = [ids for day in self._by_day.values() for ids in day]
        ids = np.concatenate(live) if live else np.empty(0, dtype=np.uint64)
        self._index = HashIndex(len(ids) * 3 or 1)
        self._index.insert(ids, np.arange(len(ids), dtype=np.int32))
        self._count = len(ids)

    def checkpoint(self, end: int) -> list[SeenChunk]:
        """Chunks to write for what was added since the last call; `end` is the topic's position.

        Many small chunks of a day are written again as one; the small ones' numbers are used again one checkpoint
        later, when the merged one is durable.
        """
        merged, self._merged = self._merged, []
        written: list[SeenChunk] = []
        for day, parts in self._fresh.items():
            written += self._write(day, end, np.concatenate(parts))
        self._fresh.clear()
        for day in list(self._by_day):
            small = [c for c in self._chunks.values() if c.day == day and len(c.ids) < CHUNK_IDS]
            if len(small) > _MERGE_AT:
                written = [chunk for chunk in written if chunk not in small]
                written += self._write(day, end, np.concatenate([chunk.ids for chunk in small]))
                for chunk in small:
                    del self._chunks[chunk.number]
                    self._merged.append(chunk.number)
        self._free += merged
        return written

    def _write(self, day: int, end: int, ids: U64) -> list[SeenChunk]:
        chunks = []
        for start in range(0, len(ids), CHUNK_IDS):
            number = self._free.pop() if self._free else self._next_chunk
            self._next_chunk = max(self._next_chunk, number + 1)
            chunk = SeenChunk(number, day, end, ids[start : start + CHUNK_IDS])
            self._chunks[chunk.number] = chunk
            chunks.append(chunk)
        return chunks

    def restore(self, chunk: SeenChunk) -> None:
        """Take back a chunk that a changelog holds."""
        self._next_chunk = max(self._next_chunk, chunk.number + 1)
        self._chunks[chunk.number] = chunk
        new = np.asarray(self._index.lookup(chunk.ids) < 0)
        ids = chunk.ids[new]
        numbers = np.arange(self._count, self._count + len(ids), dtype=np.int32)
        won = self._index.insert(ids, numbers)
        self._count += len(ids)
        self._by_day.setdefault(chunk.day, []).append(ids[won])

    def discard(self, number: int) -> None:
        """Leave out a chunk that a changelog holds and that must not count yet: its records are read again."""
        self._next_chunk = max(self._next_chunk, number + 1)
        self._free.append(number)
