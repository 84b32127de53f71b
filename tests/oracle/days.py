"""Days of the business time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.oracle.model import DAY_MS

EPOCH = date(1970, 1, 1)


class Days:
    """Numbers days and tells where they begin, in milliseconds UTC."""

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)
        self._starts: dict[int, int] = {}

    def start(self, day: int) -> int:
        """Return the first instant of the day."""
        if day not in self._starts:
            date_of_day = EPOCH + timedelta(days=day)
            midnight = datetime(date_of_day.year, date_of_day.month, date_of_day.day, tzinfo=self._zone)
            since_epoch = midnight.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
            self._starts[day] = since_epoch // timedelta(milliseconds=1)
        return self._starts[day]

    def end(self, day: int) -> int:
        """Return the first instant after the day."""
        return self.start(day + 1)

    def of(self, at_ms: int) -> int:
        """Return the day that the instant belongs to."""
        day = at_ms // DAY_MS
        while self.start(day) > at_ms:
            day -= 1
        while self.end(day) <= at_ms:
            day += 1
        return day
