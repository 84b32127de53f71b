"""Members of accounts against a plain dictionary of sets of days."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.state.members import ID_BYTES, RING_DAYS, Members, active_weeks, by_day, count_weeks, last_days, mark_day
from pipeline.terms.arrays import U64
from pipeline.terms.hashing import hash64

ACCOUNTS = 6
Event = tuple[int, int]
"""Account row and number of a member."""


def hashes_of(texts: list[str]) -> U64:
    return hash64(pa.array(texts, pa.string()))


def mark(members: Members, day: int, events: list[Event]) -> None:
    rows = np.array([row for row, _ in events], dtype=np.int32)
    names = [f"m{member}" for _, member in events]
    days = np.full(len(events), day, dtype=np.int64)
    ids = pa.array(names, pa.string())
    members.mark(rows, hashes_of([f"a{row}" for row in rows]), hashes_of(names), ids, days)


def held(members: Members, row: int, day: int) -> dict[str, set[int]]:
    """Members of an account with their active days among the 128 that end with `day`."""
    found = {}
    for place in members.of_one(row).tolist():
        bits = members.bits[place : place + 1]
        words = [int(last_days(bits, day - back, 64)[0]) for back in (0, 64)]
        days = {day - 64 * block - 63 + bit for block, word in enumerate(words) for bit in range(64) if word >> bit & 1}
        found[members.ids[place].decode()] = days
    return found


class MembersAgainstSets(RuleBasedStateMachine):
    """Marking, ageing and the limit, day after day; the day in hand is the newest that is marked."""

    LIMIT = 3

    def __init__(self) -> None:
        super().__init__()
        self.members = Members(self.LIMIT)
        self.model: dict[int, dict[str, set[int]]] = defaultdict(dict)
        self.day = 1000
        self.untracked = self.evicted = 0

    @rule(events=st.lists(st.tuples(st.integers(1, ACCOUNTS), st.integers(0, 9)), max_size=15), back=st.integers(0, 9))
    def mark(self, events: list[Event], back: int) -> None:
        mark(self.members, self.day - back, events)
        for row, number in events:
            account, name = self.model[row], f"m{number}"
            if name not in account and len(account) >= 2 * self.LIMIT:
                self.untracked += 1
            else:
                account.setdefault(name, set()).add(self.day - back)

    @rule(days=st.sampled_from([1, 1, 1, 30, 130]))
    def pass_days(self, days: int) -> None:
        for _ in range(days):
            self.day += 1
            self.members.forget_day(self.day, None)
        for row, account in self.model.items():
            young = {name: {day for day in days if day > self.day - RING_DAYS} for name, days in account.items()}
            self.model[row] = {name: days for name, days in young.items() if days}

    @rule()
    def enforce_the_limit(self) -> None:
        crowded = {row for row, account in self.model.items() if len(account) > self.LIMIT}
        assert set(self.members.enforce_limit(None).tolist()) == crowded
        for row in crowded:
            account = self.model[row]
            hashes = dict(zip(account, hashes_of(list(account)).tolist(), strict=True))
            order = sorted(account, key=lambda name: (self.last_day(row, name), hashes[name]), reverse=True)
            self.evicted += len(order) - self.LIMIT
            self.model[row] = {name: account[name] for name in order[: self.LIMIT]}

    def last_day(self, row: int, name: str) -> int:
        return max(self.model[row][name])

    @rule()
    def restore_into_new_ones(self) -> None:
        old, rows = self.members, np.arange(1, ACCOUNTS + 1, dtype=np.int32)
        places, positions = old.of(rows)
        new = Members(self.LIMIT)
        if len(places):
            owners = rows[positions]
            account_hashes = hashes_of([f"a{row}" for row in owners])
            ids, bits, last_day = old.ids[places], old.bits[places], old.last_day[places]
            new.restore(owners, account_hashes, old.hashes[places], ids, bits, last_day)
        new.evicted, new.untracked = old.evicted, old.untracked
        self.members = new

    @invariant()
    def holds_the_same(self) -> None:
        for row in range(1, ACCOUNTS + 1):
            assert held(self.members, row, self.day) == self.model[row]
        assert (self.members.untracked, self.members.evicted) == (self.untracked, self.evicted)

    @invariant()
    def finds_members_of_several_accounts_at_once(self) -> None:
        rows = np.array([5, 1, 3], dtype=np.int32)
        places, positions = self.members.of(rows)
        for position, row in enumerate(rows.tolist()):
            assert sorted(places[positions == position].tolist()) == sorted(self.members.of_one(row).tolist())


TestMembersAgainstSets = MembersAgainstSets.TestCase
TestMembersAgainstSets.settings = settings(max_examples=50, stateful_step_count=15, deadline=None)


def test_thousands_of_members_are_found_by_their_account_after_growing() -> None:
    members = Members(limit=5000)
    members.fit_accounts(3000)
    mark(members, 7, [(2999, number) for number in range(4000)] + [(1, number) for number in range(4000)])
    for row in (1, 2999):
        assert held(members, row, 7) == {f"m{number}": {7} for number in range(4000)}
    assert members.of_one(2).tolist() == []


def test_places_of_dropped_members_are_used_again() -> None:
    members = Members(limit=100)
    mark(members, 0, [(1, number) for number in range(50)])
    size = members.size
    members.forget_day(RING_DAYS, None)
    mark(members, RING_DAYS, [(2, number) for number in range(50)])
    assert members.size == size
    assert held(members, 1, RING_DAYS) == {}
    assert held(members, 2, RING_DAYS) == {f"m{number}": {RING_DAYS} for number in range(50)}


def test_held_accounts_neither_age_nor_lose_members() -> None:
    members = Members(limit=1)
    mark(members, 3, [(1, 1), (1, 2), (2, 1), (2, 2)])
    mask = np.zeros_like(members.hashes, dtype=np.bool_)
    mask[1] = True
    assert members.enforce_limit(mask[: len(members._heads)]).tolist() == [2]
    members.forget_day(3, mask[: len(members._heads)])
    assert held(members, 1, 3) == {"m1": {3}, "m2": {3}}
    assert held(members, 2, 3) == {}


def test_a_long_id_is_cut_and_still_is_one_member() -> None:
    members = Members(limit=10)
    names = ["x" * 60 + "1", "x" * 60 + "2", "x" * 60 + "1"]
    rows, days = np.ones(3, dtype=np.int32), np.zeros(3, dtype=np.int64)
    members.mark(rows, hashes_of(["a"] * 3), hashes_of(names), pa.array(names, pa.string()), days)
    assert [members.ids[place] for place in members.of_one(1)] == [b"x" * ID_BYTES] * 2


@pytest.mark.parametrize("count", [1, 7, 28, 56, 63, 64])
@pytest.mark.parametrize("day", [0, 63, 64, 100, 127, 128, 19_999])
def test_a_window_of_days_ends_with_the_day_wherever_it_lies_in_the_ring(day: int, count: int) -> None:
    bits = np.zeros((1, 2), dtype=np.uint64)
    place = np.zeros(1, dtype=np.int64)
    active = {day - back for back in range(0, 120, 3)}
    for each in active:
        mark_day(bits, place, each)
    window = int(last_days(bits, day, count)[0])
    assert window >> count == 0
    assert {day - count + 1 + bit for bit in range(count) if window >> bit & 1} == {
        each for each in active if each > day - count
    }


def test_places_are_told_apart_by_day() -> None:
    days, places = np.array([5, 3, 5, 9], dtype=np.int64), np.array([10, 11, 12, 13], dtype=np.int32)
    assert [(day, chosen.tolist()) for day, chosen in by_day(days, places)] == [(3, [11]), (5, [10, 12]), (9, [13])]
    assert list(by_day(days[:0], places[:0])) == []


@pytest.mark.parametrize("weeks", [4, 8])
def test_weeks_with_an_active_day_are_counted(weeks: int) -> None:
    words = np.random.default_rng(7).integers(0, 2 ** (7 * weeks), 500, dtype=np.uint64)
    words &= np.random.default_rng(8).integers(0, 2 ** (7 * weeks), 500, dtype=np.uint64) >> np.uint64(3)
    assert count_weeks(words, weeks).tolist() == np.sum(active_weeks(words, weeks), axis=0).tolist()
    assert 0 in count_weeks(np.zeros(1, dtype=np.uint64), weeks)
