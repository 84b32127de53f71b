"""Silence of the champion, the sponsor and the few power users, on accounts made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.books.book import Book, Contact
from pipeline.books.people import holder
from pipeline.detectors.people import champion_silent, power_user_silent, sponsor_silent
from pipeline.terms.hashing import hash_text
from tests.support.handmade import TODAY, World, last

BEFORE = TODAY - 119


def office(gap: int, name: str = "bob", others: int = 1, every: int = 1, first_day: int = BEFORE) -> World:
    """An account in use every day, one of whose users came every so many days and is gone for `gap` days."""
    world = World()
    row = world.account("acme", first_day, champion=hash_text(name))
    world.use(row, range(first_day, TODAY + 1), 10.0, [f"o{n}" for n in range(others)])
    world.use(row, range(TODAY - gap, first_day, -every), 10.0, ["bob"])
    return world


def test_evidence_of_a_champions_silence_is_that_of_the_gap() -> None:
    finding = champion_silent.evaluate(office(20).view())
    rate = 0.9 * 57 / 58
    assert finding.raised[0]
    assert finding.values_at(0) == pytest.approx((20.0, 1 / rate, -20 * np.log(1 - rate)))


@pytest.mark.parametrize(("gap", "raised"), [(16, False), (17, True)])
def test_a_fortnights_holiday_with_its_weekends_is_no_silence(gap: int, raised: bool) -> None:
    assert champion_silent.evaluate(office(gap).view()).raised.tolist() == [raised]


@pytest.mark.parametrize(("every", "raised"), [(1, True), (3, True), (5, False), (9, False)])
def test_a_champion_who_comes_rarely_may_stay_away_for_longer(every: int, raised: bool) -> None:
    assert champion_silent.evaluate(office(24, every=every).view()).raised.tolist() == [raised]


@pytest.mark.parametrize(("history", "raised"), [(62, False), (63, True), (70, True)])
def test_the_rhythm_of_a_champion_is_known_after_nine_weeks(history: int, raised: bool) -> None:
    finding = champion_silent.evaluate(office(20, first_day=TODAY - history + 1).view())
    days = history - 28
    rate = 0.9 * days / (days + 2)
    assert finding.raised.tolist() == [raised]
    assert not raised or finding.evidence[0] == pytest.approx(-20 * np.log(1 - rate))


def test_a_champion_who_is_no_user_is_not_missed() -> None:
    finding = champion_silent.evaluate(office(30, name="ida").view())
    assert (finding.raised.tolist(), finding.observed.tolist()) == ([False], [0.0])


def test_only_the_roles_that_are_known_are_judged() -> None:
    assert not sponsor_silent.evaluate(office(30).view()).raised.any()


@pytest.mark.parametrize(("gap", "back"), [(6, True), (7, False)])
def test_a_champion_is_back_within_a_week(gap: int, back: bool) -> None:
    view = office(gap).view()
    assert champion_silent.cleared(view, champion_silent.evaluate(view), 0, 1.0) is back


@pytest.mark.parametrize(("others", "raised"), [(0, True), (1, True), (2, False)])
def test_power_users_are_judged_one_by_one_where_there_are_at_most_two(others: int, raised: bool) -> None:
    world = office(20, others=max(others, 1), every=1)
    if not others:
        world = office(20, others=0)
    finding = power_user_silent.evaluate(world.view())
    assert finding.raised.tolist() == [raised]
    if raised:
        rate = 0.9 * 57 / 58
        assert finding.evidence[0] == pytest.approx(-20 * np.log(1 - rate) - np.log(others + 1))


@pytest.mark.parametrize("gap", [20, 40])
def test_a_champion_whose_colleagues_all_have_new_ids_was_renamed_with_them(gap: int) -> None:
    world = World()
    row = world.account("acme", BEFORE, champion=hash_text("bob"))
    world.use(row, range(BEFORE, TODAY - gap + 1), 10.0, ["ann", "bob"])
    world.use(row, last(gap), 10.0, ["ann-2", "bob-2"])
    assert not champion_silent.evaluate(world.view()).raised.any()


@pytest.mark.parametrize(("begins", "share", "raised"), [(7, 1, False), (8, 1, True), (7, 2, False), (7, 4, True)])
def test_a_champion_for_whom_another_goes_on_within_a_week_and_half_as_often_is_not_silent(
    begins: int, share: int, raised: bool
) -> None:
    world = World()
    row = world.account("acme", BEFORE, champion=hash_text("bob"))
    world.use(row, range(BEFORE, TODAY + 1), 10.0, ["ann"])
    world.use(row, range(BEFORE, TODAY - 29), 10.0, ["bob"])
    world.use(row, range(TODAY - 30 + begins, TODAY + 1, share), 10.0, ["bob-2"])
    assert champion_silent.evaluate(world.view()).raised.all() == raised


@pytest.mark.parametrize(("moved", "raised"), [(2, True), (3, False)])
def test_a_champion_is_not_silent_where_others_got_new_ids_about_then(moved: int, raised: bool) -> None:
    world = office(20, others=1)
    for number in range(5):
        left = TODAY - 30 + number
        world.use(1, range(BEFORE, left if number < moved else TODAY + 1), 10.0, [f"u{number}"])
        if number < moved:
            world.use(1, range(left, TODAY + 1), 10.0, [f"u{number}-2"])
    assert champion_silent.evaluate(world.view()).raised.tolist() == [raised]


def test_power_users_are_back_when_all_of_them_are() -> None:
    views = [office(gap).view() for gap in (6, 7)]
    assert [power_user_silent.cleared(view, power_user_silent.evaluate(view), 0, 1.0) for view in views] == [
        True,
        False,
    ]


def test_the_champion_is_the_one_named_last_who_is_still_there() -> None:
    contacts = {
        "ann": Contact(role="champion", present=True, as_of_ms=5),
        "bob": Contact(role="champion", present=True, as_of_ms=7),
        "cy": Contact(role="champion", present=False, as_of_ms=9),
        "": Contact(role="champion", present=True, as_of_ms=8),
        "dee": Contact(role="admin", present=True, as_of_ms=9),
    }
    assert holder(Book(contacts=contacts), "champion") == "bob"
    assert holder(Book(contacts={"": contacts[""]}), "champion") is None


def test_the_summary_of_a_book_names_the_champion_by_the_users_key() -> None:
    world = World()
    row = world.account("acme", BEFORE)
    world.use(row, last(2), 1.0, ["bob"])
    world.accounts.book(row).contacts["bob"] = Contact(role="champion", present=True, as_of_ms=1)
    world.accounts.unsummarised.add(row)
    world.accounts.summarise()
    rings, _ = world.view().ids_named(np.array([0]), world.accounts.champion[[row]])
    assert np.bitwise_count(rings).sum() == 2
