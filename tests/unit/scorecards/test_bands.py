"""How an account moves between bands."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.scorecards.bands import GREEN, GREY, GREY_DAYS, NAMES, RED, YELLOW, BandRule, BandState, move

KNOWN, LITTLE = 1.0, 0.39


def walk(start: int, days: list[tuple[float, float]]) -> list[str]:
    """The band after each day of score and coverage."""
    state = BandState(*(np.array([value], dtype=np.uint8) for value in (start, start, 0)))
    found = []
    for score, coverage in days:
        state = move(state, np.array([score]), np.array([coverage]))
        found.append(NAMES[int(state.band[0])])
    return found


def settles_in(start: int, score: float) -> str:
    """The band after a week of one score."""
    return walk(start, [(score, KNOWN)] * 7)[-1]


@pytest.mark.parametrize(
    ("start", "score", "settled"),
    [
        (RED, 0.0, "red"),
        (RED, 49.9, "red"),
        (RED, 50.0, "yellow"),
        (RED, 74.9, "yellow"),
        (RED, 75.0, "green"),
        (YELLOW, 39.9, "red"),
        (YELLOW, 40.0, "yellow"),
        (YELLOW, 74.9, "yellow"),
        (YELLOW, 75.0, "green"),
        (GREEN, 65.0, "green"),
        (GREEN, 64.9, "yellow"),
        (GREEN, 40.0, "yellow"),
        (GREEN, 39.9, "red"),
        (GREY, 39.9, "red"),
        (GREY, 40.0, "yellow"),
        (GREY, 74.9, "yellow"),
        (GREY, 75.0, "green"),
    ],
)
def test_bands_are_entered_and_left_at_different_scores(start: int, score: float, settled: str) -> None:
    assert settles_in(start, score) == settled


def test_a_first_judgement_counts_at_once() -> None:
    assert walk(GREY, [(30.0, KNOWN)]) == ["red"]


@pytest.mark.parametrize("start", [RED, YELLOW, GREEN])
@pytest.mark.parametrize("day", [(80.0, LITTLE), (np.nan, KNOWN)])
def test_a_band_is_held_for_as_long_as_anything_is_remembered(start: int, day: tuple[float, float]) -> None:
    assert walk(start, [day] * (GREY_DAYS + 1))[-3:] == [NAMES[start], "grey", "grey"]


def test_enough_coverage_is_enough() -> None:
    assert walk(YELLOW, [(55.0, BandRule().min_coverage)]) == ["yellow"]


def test_any_other_move_waits_for_three_days_running() -> None:
    assert walk(GREEN, [(50.0, KNOWN)] * 3) == ["green", "green", "yellow"]


def test_a_day_back_begins_the_wait_anew() -> None:
    scores = [50.0, 50.0, 80.0, 50.0, 50.0, 50.0]
    assert walk(GREEN, [(score, KNOWN) for score in scores]) == ["green"] * 5 + ["yellow"]


def test_another_candidate_begins_the_wait_anew() -> None:
    scores = [50.0, 50.0, 20.0, 20.0, 20.0]
    assert walk(GREEN, [(score, KNOWN) for score in scores]) == ["green"] * 4 + ["red"]


def test_a_day_without_a_judgement_begins_the_wait_anew() -> None:
    days = [(50.0, KNOWN), (50.0, KNOWN), (50.0, LITTLE), (50.0, KNOWN), (50.0, KNOWN), (50.0, KNOWN)]
    assert walk(GREEN, days) == ["green"] * 5 + ["yellow"]


def test_a_band_that_does_not_follow_the_score_is_taken_at_once() -> None:
    state = BandState(*(np.array(values, dtype=np.uint8) for values in ([GREEN, GREEN], [YELLOW, YELLOW], [2, 2])))
    pinned = np.array([True, False]), np.array([RED, RED], dtype=np.uint8)
    after = move(state, np.array([90.0, 50.0]), np.array([KNOWN, KNOWN]), pinned=pinned)
    assert (after.band.tolist(), after.candidate_days.tolist()) == ([RED, YELLOW], [0, 0])


def test_accounts_move_independently() -> None:
    state = BandState(*(np.array(values, dtype=np.uint8) for values in ([GREEN, RED], [YELLOW, RED], [2, 0])))
    after = move(state, np.array([50.0, 50.0]), np.array([KNOWN, KNOWN]))
    assert after.band.tolist() == [YELLOW, RED]
    assert (after.candidate.tolist(), after.candidate_days.tolist()) == ([YELLOW, YELLOW], [0, 1])
