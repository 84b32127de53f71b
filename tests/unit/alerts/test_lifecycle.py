"""The life of an episode, step by step: what it becomes, whether its book holds it, and the change that is recorded."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.alerts.lifecycle import (
    CLEAR_DAYS,
    EXPIRE_DAYS,
    Change,
    age,
    begin,
    expire,
    resolve,
    retract,
    update,
    worsen,
)
from pipeline.books.book import Book, Episode

OPENED = Episode("usage_drop", "total_usage", 100, 1_000, 2_000, "warning", 3.0, 7.0, 9.5)
WORSE = (1.0, 8.0, 12.5)
AT_MS = 5_000


def opened() -> tuple[Book, Episode]:
    book, episode = Book(), msgspec.structs.replace(OPENED)
    begin(book, episode)
    return book, episode


def test_an_episode_begins_in_its_book_with_its_first_revision() -> None:
    book, episode = Book(), msgspec.structs.replace(OPENED)
    assert begin(book, episode) == Change("firing", "detected", 2_000, None)
    assert book.episodes == [OPENED]
    assert episode.revision == 1


@pytest.mark.parametrize("severity", ["info", "warning", "critical"])
def test_an_update_takes_figures_and_severity_whatever_they_were(severity: str) -> None:
    book, episode = opened()
    assert update(episode, severity, WORSE, "late_data", AT_MS) == Change("firing", "late_data", AT_MS, None)
    assert book.episodes == [
        Episode("usage_drop", "total_usage", 100, 1_000, 2_000, severity, 1.0, 8.0, 12.5, revision=2)
    ]


def test_a_higher_severity_worsens() -> None:
    _, episode = opened()
    assert worsen(episode, "error", WORSE, AT_MS) == Change("firing", "worsened", AT_MS, None)
    assert (episode.severity, episode.observed, episode.expected, episode.evidence) == ("error", *WORSE)
    assert episode.revision == 2


@pytest.mark.parametrize("severity", ["info", "warning"])
def test_no_other_severity_worsens(severity: str) -> None:
    _, episode = opened()
    assert worsen(episode, severity, WORSE, AT_MS) is None
    assert episode == OPENED


def test_a_resolved_episode_has_left_its_book_and_ends_with_the_step() -> None:
    book, episode = opened()
    assert resolve(book, episode, "inhibited", AT_MS) == Change("resolved", "inhibited", AT_MS, AT_MS)
    assert (book.episodes, episode.revision) == ([], 2)


def test_what_ended_before_it_was_known_ends_then() -> None:
    book, episode = opened()
    assert resolve(book, episode, "recovered", AT_MS, 1_500) == Change("resolved", "recovered", AT_MS, 1_500)


def test_a_retracted_episode_has_left_its_book_and_never_ended() -> None:
    book, episode = opened()
    assert retract(book, episode, "late_data", AT_MS) == Change("retracted", "late_data", AT_MS, None)
    assert (book.episodes, episode.revision) == ([], 2)


def test_only_the_episode_that_ends_leaves() -> None:
    book, episode = opened()
    begin(book, msgspec.structs.replace(OPENED, dimension="daily_users"))
    resolve(book, episode, "recovered", AT_MS)
    assert [other.dimension for other in book.episodes] == ["daily_users"]


def test_an_episode_expires_after_so_many_days() -> None:
    book, episode = opened()
    assert expire(book, episode, 100 + EXPIRE_DAYS - 1, AT_MS) is None
    assert (book.episodes, episode.revision) == ([episode], 1)
    assert expire(book, episode, 100 + EXPIRE_DAYS, AT_MS) == Change("resolved", "expired", AT_MS, AT_MS)
    assert (book.episodes, episode.revision) == ([], 2)


def test_clear_days_in_a_row_resolve_and_others_begin_the_row_again() -> None:
    book, episode = opened()
    days = [True] * (CLEAR_DAYS - 1) + [False] + [True] * (CLEAR_DAYS - 1)
    assert [age(book, episode, 101, AT_MS, clear=clear) for clear in days] == [None] * len(days)
    assert (episode.clear_days, episode.revision) == (CLEAR_DAYS - 1, 1)
    assert age(book, episode, 110, AT_MS, clear=True) == Change("resolved", "recovered", AT_MS, AT_MS)
    assert (book.episodes, episode.revision) == ([], 2)


def test_an_episode_that_does_not_clear_expires_and_one_that_clears_on_that_day_has_recovered() -> None:
    last = 100 + EXPIRE_DAYS
    book, episode = opened()
    assert age(book, episode, last, AT_MS, clear=False) == Change("resolved", "expired", AT_MS, AT_MS)
    book, episode = opened()
    episode.clear_days = CLEAR_DAYS - 1
    assert age(book, episode, last, AT_MS, clear=True) == Change("resolved", "recovered", AT_MS, AT_MS)
