"""Times of a day as people keep them: the next such time, and quiet hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
QUIET_HOURS = r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"
"""From and until; across midnight where the second is earlier."""


def next_time(after_ms: int, time_of_day: str, timezone: str) -> int:
    """The first instant after `after_ms` at which clocks of the time zone show `HH:MM`."""
    zone, (hour, minute) = ZoneInfo(timezone), map(int, time_of_day.split(":"))
    today = _local(after_ms, timezone)
    for days in range(3):
        day = today.date() + timedelta(days=days)
        at_ms = int(datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).timestamp()) * 1000
        if at_ms > after_ms:
            return at_ms
    raise AssertionError(time_of_day)


def quiet_until(now_ms: int, hours: str, timezone: str) -> int | None:
    """When the quiet hours (`HH:MM-HH:MM`) end that hold now; None outside them, or without any."""
    if not hours:
        return None
    first, last = hours.split("-")
    now = f"{_local(now_ms, timezone):%H:%M}"
    quiet = first <= now < last if first <= last else now >= first or now < last
    return next_time(now_ms, last, timezone) if quiet else None


def date_of(at_ms: int, timezone: str) -> str:
    """Date of an instant, yyyy-mm-dd."""
    return _local(at_ms, timezone).date().isoformat()


def _local(at_ms: int, timezone: str) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(ZoneInfo(timezone))
