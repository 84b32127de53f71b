"""The life of an episode, step by step: what it becomes, whether its book holds it, and the change that is recorded."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.alerts.lifecycle import (
    Change,
    age,
    begin,
    go_on,
    resolve,
    retract,
    update,
    worsen,
)
from pipeline.books.book import Book, Episode
from pipeline.kinds import KINDS
from pipeline.terms.kind import CLEAR_DAYS, Kind

FADING, LASTING = KINDS["usage_drop"], KINDS["seat_saturation"]
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


def test_clear_days_in_a_row_resolve_and_others_begin_the_row_again() -> None:
    book, episode = opened()
    days = [True] * (CLEAR_DAYS - 1) + [False] + [True] * (CLEAR_DAYS - 1)
    assert [age(book, FADING, episode, 101, AT_MS, clear=clear, raised=False) for clear in days] == [None] * len(days)
    assert (episode.clear_days, episode.revision) == (CLEAR_DAYS - 1, 1)
    change = age(book, FADING, episode, 110, AT_MS, clear=True, raised=False)
    assert change == Change("resolved", "recovered", AT_MS, AT_MS)
    assert (book.episodes, episode.revision) == ([], 2)


def ends(kind: Kind, *, raised: bool, clear: bool = False) -> tuple[int, str] | None:
    """The day on which an episode of day 100 ends, and why, when all days are alike."""
    book, episode = opened()
    for day in range(101, 500):
        change = age(book, kind, episode, day, AT_MS, clear=clear, raised=raised)
        if change is not None:
            return day, change.reason
    return None


def test_what_is_neither_raised_nor_clear_expires_unless_it_lasts() -> None:
    assert ends(FADING, raised=False) == (100 + FADING.fade_days + CLEAR_DAYS - 1, "expired")
    assert ends(FADING, raised=False, clear=True) == (100 + CLEAR_DAYS, "recovered")
    assert ends(LASTING, raised=False) is None
    assert ends(LASTING, raised=False, clear=True) == (100 + LASTING.clear_days, "recovered")


def test_what_is_raised_goes_on() -> None:
    assert ends(FADING, raised=True) is None


@pytest.mark.parametrize(
    ("kind", "told", "now", "severity", "reason"),
    [
        ("silence", 7, 13, "error", None),
        ("silence", 7, 14, "error", "detected"),
        ("silence", 30, 20, "error", "detected"),
        ("silence", 90, 179, "error", None),
        ("silence", 90, 180, "error", "detected"),
        ("silence", 7, 8, "critical", "worsened"),
        ("silence", 7, 8, "warning", None),
        ("renewal_at_risk", 90, 61, "error", None),
        ("renewal_at_risk", 61, 60, "error", "detected"),
        ("renewal_at_risk", 31, 30, "critical", "worsened"),
        ("renewal_at_risk", 14, 7, "error", "detected"),
        ("p1_open", 30, 167, "error", None),
        ("p1_open", 30, 168, "error", "detected"),
        ("usage_drop", 7, 200, "error", None),
    ],
)
def test_what_is_told_of_days_is_brought_up_to_date_at_some_of_them(
    kind: str, told: float, now: float, severity: str, reason: str | None
) -> None:
    episode = msgspec.structs.replace(OPENED, observed=told, severity="error")
    change = go_on(KINDS[kind], episode, severity, (now, 1.0, 2.0), AT_MS)
    assert change == (None if reason is None else Change("firing", reason, AT_MS))
    assert (episode.observed, episode.revision) == ((told, 1) if reason is None else (now, 2))
