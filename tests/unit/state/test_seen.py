"""The dedup horizon against a plain dictionary of ids, across checkpoints and restarts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import pipeline.state.seen
from pipeline.state.seen import Seen, SeenChunk
from pipeline.terms.arrays import U64

MANY = 10**9
EVENTS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 6)), max_size=20)


def u64(ids: list[int]) -> U64:
    return np.array(ids, dtype=np.uint64)


def add(seen: Seen, ids: list[int], day: int = 0) -> list[bool]:
    new: list[bool] = seen.add(u64(ids), np.full(len(ids), day, dtype=np.int64)).tolist()
    return new


def restored(chunks: dict[int, SeenChunk]) -> Seen:
    seen = Seen(MANY)
    for chunk in chunks.values():
        seen.restore(chunk)
    return seen


class SeenAgainstDict(RuleBasedStateMachine):
    """Adding, forgetting and starting again from what checkpoints have written."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = Seen(MANY)
        self.model: dict[int, int] = {}
        self.written: dict[int, SeenChunk] = {}
        self.saved: dict[int, int] = {}
        self.first_day = self.saved_first_day = 0

    @rule(events=EVENTS)
    def add(self, events: list[tuple[int, int]]) -> None:
        days = [self.first_day + ahead for _, ahead in events]
        new = self.seen.add(u64([key for key, _ in events]), np.array(days, dtype=np.int64))
        for (key, _), day, is_new in zip(events, days, new.tolist(), strict=True):
            assert is_new == (key not in self.model)
            self.model.setdefault(key, day)

    @rule(days=st.integers(1, 3))
    def forget(self, days: int) -> None:
        self.first_day += days
        self.seen.forget_before(self.first_day)
        self.model = {key: day for key, day in self.model.items() if day >= self.first_day}

    @rule()
    def checkpoint(self) -> None:
        for chunk in self.seen.checkpoint(end=1):
            self.written[chunk.number] = chunk
        self.saved, self.saved_first_day = dict(self.model), self.first_day

    @rule()
    def restart_from_the_last_checkpoint(self) -> None:
        self.seen = restored(self.written)
        self.model, self.first_day = dict(self.saved), self.saved_first_day
        self.seen.forget_before(self.first_day)

    @invariant()
    def holds_as_many(self) -> None:
        assert len(self.seen) == len(self.model)


TestSeenAgainstDict = SeenAgainstDict.TestCase
TestSeenAgainstDict.settings = settings(max_examples=80, stateful_step_count=20, deadline=None)


def test_of_equal_ids_in_one_batch_the_first_is_new() -> None:
    assert add(Seen(MANY), [7, 8, 7, 8, 9]) == [True, True, False, False, True]


def test_an_id_is_known_on_whatever_day_it_comes_again() -> None:
    seen = Seen(MANY)
    add(seen, [7], day=3)
    assert add(seen, [7], day=5) == [False]
    seen.forget_before(3)
    assert add(seen, [7], day=5) == [False]
    seen.forget_before(4)
    assert add(seen, [7], day=5) == [True]


def test_beyond_the_bound_the_oldest_days_go_and_are_counted() -> None:
    seen = Seen(max_ids=5)
    add(seen, [1, 2, 3], day=1)
    add(seen, [4, 5, 6], day=2)
    add(seen, [7], day=3)
    seen.forget_before(0)
    assert (len(seen), seen.evicted) == (4, 3)
    assert add(seen, [1, 4, 7], day=3) == [True, False, False]


def test_days_that_are_too_late_anyway_do_not_count_as_evicted() -> None:
    seen = Seen(max_ids=3)
    add(seen, [1, 2, 3], day=1)
    add(seen, [4, 5], day=2)
    seen.forget_before(2)
    assert (len(seen), seen.evicted) == (2, 0)


def test_a_checkpoint_writes_only_what_is_new_in_chunks_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.state.seen, "CHUNK_IDS", 10)
    seen = Seen(MANY)
    add(seen, list(range(1, 26)), day=4)
    first = seen.checkpoint(end=25)
    assert [(chunk.day, chunk.end, len(chunk.ids)) for chunk in first] == [(4, 25, 10), (4, 25, 10), (4, 25, 5)]
    add(seen, [100], day=4)
    second = seen.checkpoint(end=26)
    assert [(chunk.end, chunk.ids.tolist()) for chunk in second] == [(26, [100])]
    assert len({chunk.number for chunk in first + second}) == 4
    assert seen.checkpoint(end=30) == []


def test_many_small_chunks_are_written_as_one_and_their_numbers_rest_for_a_checkpoint() -> None:
    seen = Seen(MANY)
    small: set[int] = set()
    number = 0
    while True:
        number += 1
        add(seen, [number])
        chunks = seen.checkpoint(end=number)
        assert len(chunks) == 1
        if len(chunks[0].ids) > 1:
            break
        small.add(chunks[0].number)
    merged = chunks[0]
    assert sorted(merged.ids.tolist()) == list(range(1, number + 1))
    assert merged.number not in small
    add(seen, [1000])
    assert seen.checkpoint(end=number + 1)[0].number not in small
    reused = set()
    for more in range(1001, 1001 + len(small)):
        add(seen, [more])
        reused |= {chunk.number for chunk in seen.checkpoint(end=number + 2)}
    assert reused & small


def test_merging_keeps_every_id_across_a_restart() -> None:
    seen, written = Seen(MANY), {}
    for number in range(1, 301):
        add(seen, [number])
        for chunk in seen.checkpoint(end=number):
            written[chunk.number] = chunk
    assert len(written) < 200
    again = restored(written)
    assert len(again) == 300
    assert not any(add(again, list(range(1, 301))))


def test_a_discarded_chunks_number_is_used_again() -> None:
    seen = Seen(MANY)
    seen.discard(5)
    add(seen, [1])
    assert seen.checkpoint(end=1)[0].number == 5
    add(seen, [2])
    assert seen.checkpoint(end=2)[0].number == 6


def test_a_cut_checkpoint_does_not_take_ids_that_the_last_complete_one_needs() -> None:
    seen = Seen(MANY)
    add(seen, [1], day=0)
    changelog = {chunk.number: chunk for chunk in seen.checkpoint(end=1)}
    seen.forget_before(1)
    add(seen, [2], day=1)
    changelog |= {chunk.number: chunk for chunk in seen.checkpoint(end=2)}
    # The crash came before the partition record: the day of id 1 is open again, offsets from 1 on are read again.
    kept = {number: chunk for number, chunk in changelog.items() if chunk.end <= 1}
    assert add(restored(kept), [1], day=0) == [False]
