"""Business days against zoneinfo, across changes of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pipeline.terms.days import Days, weekday, weekdays

EPOCH = date(1970, 1, 1)
HOUR_MS = 3_600_000
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kathmandu", "America/Havana",
    "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Apia", "America/Santiago",
)  # fmt: skip


def day_number(year: int, month: int, day: int) -> int:
    return (date(year, month, day) - EPOCH).days


def local_day(zone: str, time_ms: int) -> int:
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    return (instant.astimezone(ZoneInfo(zone)).date() - EPOCH).days


@pytest.mark.parametrize("zone", ZONES)
def test_every_half_hour_of_two_years_is_on_its_calendar_day(zone: str) -> None:
    # Within these years Apia skipped 30 December 2011.
    start_ms = day_number(2011, 1, 2) * 24 * HOUR_MS
    times = np.arange(start_ms, start_ms + 730 * 24 * HOUR_MS, HOUR_MS // 2, dtype=np.int64)
    assert Days(zone).of(times).tolist() == [local_day(zone, time_ms) for time_ms in times.tolist()]


@pytest.mark.parametrize("zone", ZONES)
def test_days_follow_each_other_without_gap_and_hold_their_first_and_last_instant(zone: str) -> None:
    days = Days(zone)
    for day in range(day_number(2024, 1, 1), day_number(2025, 2, 1)):
        assert days.end_ms(day) == days.start_ms(day + 1)
        assert days.of_one(days.start_ms(day)) == day
        assert days.of_one(days.start_ms(day) - 1) == day - 1


@pytest.mark.parametrize(
    ("zone", "date_", "hours"),
    [
        ("UTC", (2024, 3, 31), 24.0),
        ("Europe/Berlin", (2024, 3, 31), 23.0),
        ("Europe/Berlin", (2024, 10, 27), 25.0),
        ("America/New_York", (2024, 3, 10), 23.0),
        ("Australia/Lord_Howe", (2024, 4, 7), 24.5),
        ("Asia/Kathmandu", (2024, 3, 31), 24.0),
    ],
)
def test_a_day_on_which_clocks_change_is_shorter_or_longer(
    zone: str, date_: tuple[int, int, int], hours: float
) -> None:
    days, day = Days(zone), day_number(*date_)
    assert (days.end_ms(day) - days.start_ms(day)) / HOUR_MS == hours


def test_day_0_is_the_first_of_january_1970() -> None:
    assert Days("UTC").start_ms(0) == 0
    assert Days("Europe/Berlin").start_ms(0) == -HOUR_MS
    assert Days("UTC").of_one(-1) == Days("Europe/Berlin").of_one(-HOUR_MS - 1) == -1


def test_weekdays_are_those_of_the_calendar() -> None:
    first, last = day_number(1969, 12, 20), day_number(1970, 1, 20)
    expected = [(EPOCH + timedelta(days=day)).weekday() for day in range(first, last + 1)]
    assert [weekday(day) for day in range(first, last + 1)] == expected
    assert weekdays(first, last).tolist() == expected


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(KeyError):
        Days("Europe/Atlantis")
