"""Business days: event time in milliseconds ↔ calendar days of one time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.terms.arrays import I64
from schemas.topics import DAY_MS

_LAST_YEAR = 2200
_FIRST_WEEKDAY = 3
"""1970-01-01 was a Thursday."""
SATURDAY = 5


def weekday(day: int) -> int:
    """Of a day; 0 for Monday."""
    return (day + _FIRST_WEEKDAY) % 7


def weekdays(first: int, last: int) -> I64:
    """Of each day from `first` to `last`; 0 for Monday."""
    return np.arange(first + _FIRST_WEEKDAY, last + _FIRST_WEEKDAY + 1, dtype=np.int64) % 7


@lru_cache(maxsize=8)
def _starts_ms(timezone: str) -> I64:
    zone = ZoneInfo(timezone)
    first = datetime(1969, 12, 31, tzinfo=UTC)
    count = (datetime(_LAST_YEAR, 1, 1, tzinfo=UTC) - first).days
    dates = (first + timedelta(days=n) for n in range(count))
    starts = [int(datetime(d.year, d.month, d.day, tzinfo=zone).timestamp()) * 1000 for d in dates]
    return np.array(starts, dtype=np.int64)


class Days:
    """The day of an instant and the bounds of a day; day 0 is the date 1970-01-01.

    A day is a calendar date of the time zone, so it has 23 or 25 hours when clocks change.
    """

    def __init__(self, timezone: str) -> None:
        self._starts = None if timezone == "UTC" else _starts_ms(timezone)

    def of(self, times_ms: I64) -> I64:
        """Day of each instant."""
        if self._starts is None:
            return times_ms // DAY_MS
        return np.searchsorted(self._starts, times_ms, side="right") - 2

    def of_one(self, time_ms: int) -> int:
        """Day of one instant."""
        return int(self.of(np.array([time_ms], dtype=np.int64))[0])

    def date_of(self, time_ms: int) -> str:
        """Date of one instant, yyyy-mm-dd."""
        return (date(1970, 1, 1) + timedelta(days=self.of_one(time_ms))).isoformat()

    def start_ms(self, day: int) -> int:
        """First millisecond of the day."""
        if self._starts is None:
            return day * DAY_MS
        return int(self._starts[min(max(day + 1, 0), len(self._starts) - 1)])

    def end_ms(self, day: int) -> int:
        """First millisecond after the day."""
        return self.start_ms(day + 1)
