"""Evidence that a part's share of a whole has fallen."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evidence import share
from pipeline.state.members import mark_day


def test_three_weeks_of_a_large_account_are_very_sure_and_still_a_number() -> None:
    days = np.full((share.DAYS, 1), 200, dtype=np.int64)
    evidence = share.fallen(0 * days, days, np.array([0.7]), 1.35)
    assert np.isfinite(evidence).all()
    assert evidence[0] > 500.0


def test_a_share_that_stays_says_little() -> None:
    whole = np.full((share.DAYS, 1), 10, dtype=np.int64)
    assert share.fallen(0 * whole + 7, whole, np.array([0.7]), 1.35)[0] < 1.0


DAY = 20_000
END = 19_978
"""The first day after the reference of most accounts as of DAY."""


@pytest.mark.parametrize(
    ("known_for", "weeks", "days", "first_day"),
    [
        (13, 0, 21, None),
        (14, 3, 14, END - 14),
        (20, 3, 14, END - 14),
        (21, 3, 21, END - 21),
        (27, 3, 21, END - 21),
        (28, 4, 21, END - 28),
        (84, 12, 21, END - 84),
        (100, 12, 21, END - 84),
    ],
)
def test_the_reference_is_as_long_as_the_account_is_known(
    known_for: int, weeks: int, days: int, first_day: int | None
) -> None:
    one = share.reference(np.array([END - known_for]), DAY)
    assert (one.weeks.tolist(), one.days.tolist(), one.known.tolist()) == ([weeks], [days], [weeks > 0])
    assert first_day is None or one.first_day.tolist() == [first_day]
    always = np.full((1, 2), 2**64 - 1, dtype=np.uint64)
    early, late, recent = share.reference(np.array([END - known_for]), DAY).words(always, np.array([0]))
    assert np.bitwise_count(early)[0] + np.bitwise_count(late)[0] == 7 * weeks
    # Where nothing is known, nothing is counted since either; the last days stand in the last bits.
    assert int(recent[0]) >> 7 == 2**14 - 1
    assert np.bitwise_count(recent)[0] == days


def test_days_before_the_first_week_and_between_reference_and_judged_days_are_not_counted() -> None:
    bits = np.zeros((1, 2), dtype=np.uint64)
    for day in (END - 22, END, END + 1, DAY - 21):
        mark_day(bits, np.array([0]), day)
    words = share.reference(np.array([END - 22]), DAY).words(bits, np.array([0]))
    assert [int(word[0]) for word in words] == [0, 0, 0]
    for day in (END - 21, END - 1, DAY - 20, DAY):
        mark_day(bits, np.array([0]), day)
    words = share.reference(np.array([END - 22]), DAY).words(bits, np.array([0]))
    assert [int(word[0]) for word in words] == [0, 1 << 55 | 1 << 35, 1 << 20 | 1]


def test_a_shorter_reference_is_trusted_less() -> None:
    days = np.zeros((84, 1), dtype=np.int64)
    days[-21:] = 10
    safe = [share.usual(7 * days // 10, days, np.array([weeks]))[0][0] for weeks in (3, 12)]
    assert safe[0] < safe[1] < 0.7


def test_days_that_are_not_judged_say_nothing() -> None:
    whole = np.full((share.YOUNG_DAYS, 1), 10, dtype=np.int64)
    fewer = share.fallen(whole // 5, whole, np.array([0.7]), 1.35, np.array([share.YOUNG_DAYS]))
    empty = np.zeros((share.DAYS - share.YOUNG_DAYS, 1), dtype=np.int64)
    padded = np.concatenate([empty, whole])
    assert share.fallen(padded // 5, padded, np.array([0.7]), 1.35, np.array([share.YOUNG_DAYS])) == fewer
