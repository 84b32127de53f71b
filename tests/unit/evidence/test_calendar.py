"""Days off: what is expected on them, and that nothing is learnt from them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from pipeline.books.book import Book, Context, Shutdown
from pipeline.books.shutdowns import apply_shutdown, days_of, until_ms
from pipeline.config import EngineConfig
from pipeline.detectors import silence
from pipeline.detectors.drops import usage_drop
from pipeline.detectors.growth import sustained_growth
from pipeline.evidence.census import census
from pipeline.evidence.dayfactors import day_factors
from pipeline.evidence.successions import People
from pipeline.evidence.view import View
from pipeline.terms.calendar import PlannedShutdown, country_code, public_holidays
from pipeline.terms.days import Days, weekday
from tests.support.handmade import MONTHS, TODAY, World, last

DAY_MS = 86_400_000
UNITY_DAY = TODAY - 1
"""2024-10-03, a Thursday: a public holiday in Germany."""


def view_of(world: World, day: int = TODAY) -> View:
    state, accounts = world.state, world.accounts
    accounts.belonging.put(list(accounts.books), [book.context for book in accounts.books.values()])
    every = slice(1, accounts.size)
    people = People(state.users, slice(1, state.users.size), day)
    counts = census(people, state.features, accounts.first_usage_day[: accounts.size], day).part(every)
    return View(accounts, every, day, state.days, EngineConfig(arl_days=2800.0), counts, day_factors(state, day))


def office(world: World, name: str, country: str | None, segment: str | None = None, weekend: float = 10.0) -> int:
    """An account with 100 actions on working days."""
    row = world.account(name)
    world.accounts.books[row] = Book(context=Context(country=country, segment=segment))
    for day in MONTHS:
        world.use(row, [day], weekend if weekday(day) >= 5 else 100.0)
    return row


def test_holidays_are_those_of_the_country() -> None:
    days = range(UNITY_DAY - 1, UNITY_DAY + 2)
    assert public_holidays("DE", days).tolist() == [False, True, False]
    assert public_holidays("US", days).tolist() == [False, False, False]
    new_year = (date(2025, 1, 1) - date(1970, 1, 1)).days
    assert public_holidays("US", range(new_year - 1, new_year + 1)).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("de", "DE"), (" US ", "US"), ("DEU", "DE"), ("Germany", "DE"), ("Österreich", "AT"), ("U.K.", "GB"),
        ("the Netherlands", "NL"), ("South Korea", "KR"), ("nowhere", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_a_country_is_understood_by_code_or_name(text: str | None, code: str | None) -> None:
    assert country_code(text) == code


def test_a_holiday_is_expected_to_be_like_the_quietest_weekday() -> None:
    world = World()
    office(world, "german", "DE")
    office(world, "american", "US")
    office(world, "round the clock", "DE", weekend=100.0)
    factors = view_of(world).factors(UNITY_DAY - 1, TODAY)
    assert factors[0].tolist() == [1.0, 1.0, 1.0]
    assert factors[1] == pytest.approx([0.179, 1.0, 1.0], abs=0.01)
    assert factors[2].tolist() == [1.0, 1.0, 1.0]


def test_nothing_is_learnt_from_days_off() -> None:
    world = World()
    german, other = office(world, "german", "DE"), office(world, "other", None)
    ascension = (date(2024, 8, 15) - date(1970, 1, 1)).days
    config = EngineConfig(shutdowns=(PlannedShutdown(ascension, ascension + 6, country="DE"),))
    world.state.config = config
    for row in (german, other):
        for day in range(ascension, ascension + 7):
            world.pane("actions", row, [day], 0)
    level = view_of(world).level
    assert level.days.tolist() == [49, 56]
    assert level.mean == pytest.approx([(5 * 100 + 2 * 10) / 7, 7 / 8 * (5 * 100 + 2 * 10) / 7])
    assert level.dispersion[0] < level.dispersion[1]


def test_a_shutdown_in_the_settings_concerns_whom_it_names() -> None:
    world = World()
    office(world, "a", "DE", "smb")
    office(world, "b", "DE")
    office(world, "c", None, "smb")
    names = {"segment": "smb", "country": "DE"}
    for chosen, expected in (
        ({}, [0, 0, 0]),
        ({"segment": "smb"}, [0, 1, 0]),
        ({"country": "DE"}, [0, 0, 1]),
        (names, [0, 1, 1]),
    ):
        world.state.config = EngineConfig(shutdowns=(PlannedShutdown(TODAY, TODAY, **chosen),))
        assert view_of(world).factors(TODAY, TODAY)[0].tolist() == expected


@pytest.mark.parametrize("shut", [True, False])
def test_an_account_that_is_shut_is_not_missed(shut: bool) -> None:
    world = World()
    row = world.account("a")
    book = world.accounts.books[row] = Book()
    world.use(row, range(MONTHS.start, TODAY - 13), 100.0)
    world.pane("actions", row, [TODAY], 1)
    start_ms = (TODAY - 13) * DAY_MS
    if shut:
        event = {"due_at": start_ms, "expires_at": TODAY * DAY_MS, "occurred_at": start_ms - DAY_MS}
        apply_shutdown(book, event, 10)
        world.accounts.shutdown_until_ms[row] = until_ms(book)
    drop, gap = usage_drop.evaluate(view_of(world)), silence.evaluate(view_of(world))
    assert (bool(drop.raised[0]), bool(gap.raised[0])) == (not shut, not shut)
    if shut:
        assert view_of(world).factors(TODAY - 14, TODAY)[:, 0].tolist() == [1.0, *[0.0] * 13, 1.0]
        assert gap.evidence[0] < 3.0


def test_the_newest_signal_of_a_shutdown_counts() -> None:
    book, days, start_ms = Book(), Days("UTC"), 100 * DAY_MS + 5

    def tell(at_ms: int, until: int | None) -> list[tuple[int, int]]:
        apply_shutdown(book, {"due_at": start_ms, "expires_at": until, "occurred_at": at_ms}, 10)
        return days_of(book, days)

    assert tell(10, 103 * DAY_MS) == [(100, 102)]
    assert tell(9, None) == [(100, 102)]
    assert tell(11, None) == [(100, 100)]
    assert tell(12, start_ms) == []
    apply_shutdown(book, {"due_at": None, "expires_at": 7, "occurred_at": 20}, 10)
    assert list(book.shutdowns) == [start_ms]


def test_shutdowns_that_are_remembered_are_limited_to_the_latest() -> None:
    book = Book()
    for day in (3, 1, 2):
        apply_shutdown(book, {"due_at": day * DAY_MS, "expires_at": None, "occurred_at": 0}, 2)
    assert sorted(book.shutdowns) == [2 * DAY_MS, 3 * DAY_MS]


def test_a_long_gap_counts_only_days_on_which_something_was_expected() -> None:
    world = World()
    office(world, "a", None)
    for day in last(9):
        world.pane("actions", 1, [day], 0)
    world.accounts.bits[:] = 0
    for day in range(MONTHS.start, TODAY - 8):
        world.accounts.bits[1, (day % 128) >> 6] |= np.uint64(1) << np.uint64(day % 64)
    world.state.config = EngineConfig(shutdowns=(PlannedShutdown(TODAY - 5, TODAY - 3),))
    assert not silence.evaluate(view_of(world)).raised[0]
    world.state.config = EngineConfig(shutdowns=(PlannedShutdown(TODAY - 5, TODAY - 4),))
    assert silence.evaluate(view_of(world)).raised[0]


def test_a_planned_shutdown_ends_after_it_starts() -> None:
    with pytest.raises(ValueError, match="must not end before"):
        PlannedShutdown(5, 4)


@pytest.mark.parametrize(("weeks", "raised"), [(0, True), (2, True), (4, False)])
def test_more_after_weeks_of_shutdown_is_a_return(weeks: int, raised: bool) -> None:
    world = World()
    row = world.account("acme")
    world.use(row, range(MONTHS.start, TODAY - 27), 100.0)
    world.use(row, last(28), 150.0)
    start, end = (Days("UTC").start_ms(TODAY - back) for back in (55, 55 - 7 * weeks))
    world.accounts.books[row] = Book(shutdowns={start: Shutdown(end, start)} if weeks else {})
    world.accounts.summarise_books(world.accounts.books)
    assert sustained_growth.evaluate(view_of(world)).raised[0] == raised
