"""Ids that go on for others: who is paired with whom, and what is read together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.evidence.successions import People
from pipeline.state.members import last_days
from pipeline.state.users import Users
from pipeline.terms.hashing import hash64

TODAY = 20_100


def people(**active: range | list[int]) -> People:
    """One account's users as of `TODAY`, with the days back on which each was active."""
    users = Users(50)
    users.fit_accounts(4)
    events = [(name, TODAY - back) for name, days in active.items() for back in days]
    ids = pa.array([name for name, _ in events])
    rows = np.ones(len(events), dtype=np.int32)
    users.mark(rows, np.ones(len(events), dtype=np.uint64), hash64(ids), ids, np.array([day for _, day in events]))
    return People(users, slice(1, users.size), TODAY)


def pairs(found: People) -> set[tuple[str, str]]:
    name = [each.decode() for each in found.users.ids]
    return {
        (name[one], name[other]) for one, other in zip(found.successions.former, found.successions.new, strict=True)
    }


DAILY = range(20, 110)
"""Days back of who comes every day and has stopped."""


def test_an_id_that_begins_as_another_ends_goes_on_for_it() -> None:
    assert pairs(people(old=DAILY, new=range(20))) == {("old", "new")}


def test_on_one_day_both_ids_may_be_active() -> None:
    assert pairs(people(old=DAILY, new=range(21))) == {("old", "new")}


def test_nobody_goes_on_for_who_is_still_there() -> None:
    assert pairs(people(old=range(110), new=range(20))) == set()
    assert pairs(people(old=[*DAILY, 1], new=range(20))) == set()


def test_who_comes_seldom_is_gone_only_after_missing_two_days() -> None:
    seldom = list(range(10, 108, 7))
    assert pairs(people(old=seldom, new=[5])) == set()
    assert pairs(people(old=[back + 6 for back in seldom], new=[5, 12])) == {("old", "new")}


def test_who_began_before_another_ended_or_more_than_four_weeks_later_does_not_go_on_for_it() -> None:
    assert pairs(people(old=DAILY, new=range(22))) == set()
    assert pairs(people(old=range(40, 110), new=range(14))) == {("old", "new")}
    assert pairs(people(old=range(40, 110), new=range(13))) == set()


def test_who_changes_at_once_is_paired_by_how_often_they_come() -> None:
    half = list(range(20, 110, 2))
    found = people(much=DAILY, some=half, more_new=range(19), some_new=list(range(1, 21, 2)))
    assert pairs(found) == {("much", "more_new"), ("some", "some_new")}


def test_who_comes_regularly_goes_on_for_who_did_whoever_ended_last() -> None:
    seldom = list(range(26, 104, 7))
    found = people(regular=range(30, 110), seldom=seldom, new=range(25), rare=[24, 3])
    assert pairs(found) == {("regular", "new"), ("seldom", "rare")}


def test_changes_in_waves_are_paired_wave_by_wave() -> None:
    found = people(first=range(40, 110), second=range(15, 110), first_new=range(40), second_new=range(15))
    assert pairs(found) == {("first", "first_new"), ("second", "second_new")}


def test_days_of_ids_that_go_on_for_each_other_are_read_together_under_the_first() -> None:
    found = people(one=range(60, 110), two=range(30, 60), three=range(30), other=range(110))
    assert pairs(found) == {("one", "two"), ("two", "three")}
    places = np.array([1, 2, 3, 4], dtype=np.int32)
    days = np.bitwise_count(last_days(found.days(places), TODAY, 64)).tolist()
    assert dict(zip([found.users.ids[place].decode() for place in places], days, strict=True)) == {
        "one": 64, "two": 0, "three": 0, "other": 64,
    }  # fmt: skip
    assert found.users.ids[found.latest(np.array([1, 2, 4]))].tolist() == [b"three", b"three", b"other"]
    assert (found.days(slice(1, 5)) == found.days(places)).all()


def test_a_decline_stays_one_under_the_new_id() -> None:
    found = people(old=DAILY, new=[2, 9, 16, 19])
    assert pairs(found) == {("old", "new")}
    assert np.bitwise_count(last_days(found.days(slice(1, 3)), TODAY, 20)).tolist() == [4, 0]


def test_another_took_over_if_it_began_within_a_week_and_does_half_as_much() -> None:
    took, slow, late = (people(old=range(21, 110), new=new) for new in (range(15), [14, 13, 3], range(13)))
    assert [found.taken_over(np.array([1], dtype=np.int32)).item() for found in (took, slow, late)] == [
        True, False, False,
    ]  # fmt: skip
