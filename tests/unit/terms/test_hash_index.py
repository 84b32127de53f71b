"""Hash tables over arrays behave like a dict and a set, however their keys collide."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.terms.arrays import U64
from pipeline.terms.hash_index import HashIndex, KeySet

KEYS = st.one_of(
    st.integers(0, 20).map(lambda n: n << 20),  # one slot and one step for all of them
    st.integers(0, 20).map(lambda n: n << 41),  # one slot, steps that differ
    st.integers(0, 40),
    st.integers(0, 2**64 - 1),
)
BATCHES = st.lists(KEYS, max_size=30, unique=True)


def u64(keys: list[int]) -> U64:
    return np.array(keys, dtype=np.uint64)


class IndexAgainstDict(RuleBasedStateMachine):
    """Inserting, removing and growing in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.index = HashIndex()
        self.column = u64([0])
        self.model: dict[int, int] = {}

    @rule(keys=BATCHES)
    def insert(self, keys: list[int]) -> None:
        new = [key for key in keys if key not in self.model]
        places = range(len(self.column), len(self.column) + len(new))
        self.column = np.append(self.column, u64(new))
        self.index.insert(np.array(places, dtype=np.int32), self.column)
        self.model.update(zip(new, places, strict=True))

    @rule(first=st.integers(0, 2**40), count=st.sampled_from([200, 700]))
    def insert_so_many_that_it_grows(self, first: int, count: int) -> None:
        self.insert([(first + n) << 20 for n in range(count)])

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        known = sorted(self.model)
        gone = data.draw(st.lists(st.sampled_from(known), unique=True)) if known else []
        self.index.remove(np.array([self.model.pop(key) for key in gone], dtype=np.int32), self.column)

    @rule(keys=st.lists(KEYS, max_size=30))
    def lookup(self, keys: list[int]) -> None:
        assert self.index.lookup(u64(keys), self.column).tolist() == [self.model.get(key, -1) for key in keys]

    @invariant()
    def knows_all(self) -> None:
        assert self.index.lookup(u64(list(self.model)), self.column).tolist() == list(self.model.values())


TestIndexAgainstDict = IndexAgainstDict.TestCase
TestIndexAgainstDict.settings = settings(max_examples=30, stateful_step_count=12, deadline=None)


@settings(max_examples=40)
@given(st.lists(BATCHES, max_size=12), st.booleans())
def test_a_set_of_keys_knows_what_was_added(batches: list[list[int]], grows: bool) -> None:
    known, model = KeySet(), set[int]()
    for number, batch in enumerate(batches):
        # 0 and 1 are one key: 0 marks an empty slot.
        extra = [(number * 400 + n + 1) << 22 for n in range(400 if grows else 0)]
        new = sorted({max(key, 1) for key in batch + extra} - model)
        known.add(u64(new))
        model |= set(new)
        assert len(known) == len(model)
        asked = [*new, *batch, *(key ^ 1 << 63 for key in batch), 2**64 - 1]
        assert known.contains(u64(asked)).tolist() == [max(key, 1) in model for key in asked]
    assert known.contains(u64(sorted(model))).all()


def test_removed_keys_do_not_cut_the_way_to_those_behind_them() -> None:
    index, places = HashIndex(), np.arange(8, dtype=np.int32)
    column = u64([n << 20 for n in range(1, 9)])
    index.insert(places, column)
    index.remove(places[:7], column)
    assert index.lookup(column, column).tolist() == [-1] * 7 + [7]


def test_room_of_removed_keys_is_used_again_instead_of_growing() -> None:
    index, places = HashIndex(), np.arange(300, dtype=np.int32)
    before = index.nbytes
    for turn in range(50):
        column = u64([(turn * 300 + n + 1) * 0x9E3779B97F4A7C15 % 2**64 for n in range(300)])
        index.insert(places, column)
        index.remove(places, column)
    assert index.nbytes == before
