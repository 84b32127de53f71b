"""The dedup horizon: hashes of the event ids that were applied, for as long as a repeat could still count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.state.members import by_day
from pipeline.terms.arrays import I64, U64, Bools
from pipeline.terms.hash_index import KeySet

CHUNK_IDS = 64_000
"""Ids in one changelog record: half a megabyte."""
_MERGE_AT = 64


@dataclass(slots=True)
class SeenChunk:
    """Ids that matter until one day, of the offsets below `end`; one changelog record.

    `number` is unique within a topic.
    """

    number: int
    day: int
    end: int
    ids: U64


def _firsts(ids: U64) -> Bools:
    """Of equal ids the first, and all that come once."""
    first = np.ones(len(ids), dtype=np.bool_)
    ordered = np.sort(ids)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(again):
        # Few ids come twice in a batch: only these are put in order.
        repeated = KeySet(len(again))
        repeated.add(np.unique(again))
        places = np.flatnonzero(repeated.contains(ids))
        first[places] = False
        first[places[np.unique(ids[places], return_index=True)[1]]] = True
    return first


class Seen:
    """Which event ids of one topic were applied, each with the day until which it matters.

    An id is forgotten when that day is too late, or, counted in `evicted`, when there are more than `max_ids`: then
    the oldest day's go first. Days are separate sets, so that forgetting one costs nothing.
    """

    def __init__(self, max_ids: int) -> None:
        self._max_ids = max_ids
        self._days: dict[int, KeySet] = {}
        self._fresh: dict[int, list[U64]] = {}
        self._chunks: dict[int, SeenChunk] = {}
        self._free: list[int] = []
        """Chunk numbers to write over. They are never deleted: a deletion would carry no epoch."""
        self._resting: list[int] = []
        """Numbers that are free when the next checkpoint is durable; until then a crash needs what they hold."""
        self._next_chunk = 0
        self.evicted = 0

    def __len__(self) -> int:
        return sum(map(len, self._days.values()))

    @property
    def nbytes(self) -> int:
        """Bytes held in sets and chunks."""
        return sum(day.nbytes for day in self._days.values()) + sum(c.ids.nbytes for c in self._chunks.values())

    def add(self, ids: U64, days: I64) -> Bools:
        """Remember the ids that are new, each until its day; returns which were new (of equal ids the first)."""
        new = _firsts(ids)
        for known in self._days.values():
            new &= ~known.contains(ids)
        for day, chosen in by_day(days[new], np.flatnonzero(new)):
            self._of(day).add(ids[chosen])
            self._fresh.setdefault(day, []).append(ids[chosen])
        return new

    def _of(self, day: int) -> KeySet:
        known = self._days.get(day)
        if known is None:
            # A day is about as large as the one before.
            known = self._days[day] = KeySet(len(self._days[day - 1]) if day - 1 in self._days else 0)
        return known

    def forget_before(self, day: int) -> None:
        """Drop ids that mattered until an earlier day, then the oldest days beyond the bound."""
        old = [known for known in self._days if known < day]
        total = len(self)
        for known in sorted(self._days):
            if total <= self._max_ids:
                break
            total -= len(self._days[known])
            if known not in old:
                self.evicted += len(self._days[known])
                old.append(known)
        for known in old:
            del self._days[known]
            self._fresh.pop(known, None)
        for number in [number for number, chunk in self._chunks.items() if chunk.day in old]:
            del self._chunks[number]
            self._resting.append(number)

    def checkpoint(self, end: int) -> list[SeenChunk]:
        """Chunks to write for what was added since the last call; `end` is the topic's position.

        Many small chunks of a day are written again as one; the small ones' numbers are used again one checkpoint
        later, when the merged one is durable.
        """
        rested, self._resting = self._resting, []
        written: list[SeenChunk] = []
        for day, parts in self._fresh.items():
            written += self._write(day, end, np.concatenate(parts))
        self._fresh.clear()
        for day in self._days:
            small = [c for c in self._chunks.values() if c.day == day and len(c.ids) < CHUNK_IDS]
            if len(small) > _MERGE_AT:
                numbers = {chunk.number for chunk in small}
                written = [chunk for chunk in written if chunk.number not in numbers]
                for number in numbers:
                    del self._chunks[number]
                self._resting += numbers
                written += self._write(day, end, np.concatenate([chunk.ids for chunk in small]))
        self._free += rested
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
        known = self._of(chunk.day)
        known.add(chunk.ids[~known.contains(chunk.ids)])

    def discard(self, number: int) -> None:
        """Leave out a chunk that a changelog holds and that must not count yet: its records are read again."""
        self._next_chunk = max(self._next_chunk, number + 1)
        self._free.append(number)
