"""The periods of a report: calendar months and windows that end with the last complete day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

_EPOCH = date(1970, 1, 1)
TRAILING_DAYS = (30, 90)


@dataclass(frozen=True, slots=True)
class Period:
    """Business days from `first_day` to `end_day`, excluding `end_day`."""

    kind: str
    """month, trailing_30d or trailing_90d."""
    first_day: int
    end_day: int

    @property
    def starts_on(self) -> str:
        """Its first date."""
        return _date(self.first_day).isoformat()

    @property
    def ends_on(self) -> str:
        """Its last date."""
        return _date(self.end_day - 1).isoformat()


PERIOD_KINDS = ("month", *(f"trailing_{days}d" for days in TRAILING_DAYS))


def periods_of(first_day: int, open_day: int) -> list[Period]:
    """Every calendar month that is over, and the trailing windows.

    Args:
        first_day: of which anything is known.
        open_day: the first day that is not complete.
    """
    periods = []
    start = _date(first_day).replace(day=1)
    while (end := _next_month(start)) <= _date(open_day):
        periods.append(Period("month", _number(start), _number(end)))
        start = end
    for days in TRAILING_DAYS:
        if open_day - first_day >= days:
            periods.append(Period(f"trailing_{days}d", open_day - days, open_day))
    return periods


def month_before(day: int, months: int) -> int:
    """First day of the month so many months before that of a day."""
    at = _date(day)
    count = at.year * 12 + at.month - 1 - months
    return _number(date(count // 12, count % 12 + 1, 1))


def month_after(starts_on: str) -> int:
    """First day of the month after one that starts on a date, as in `Period.starts_on`."""
    return _number(_next_month(date.fromisoformat(starts_on)))


def _next_month(start: date) -> date:
    return (start + timedelta(days=31)).replace(day=1)


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def _number(of: date) -> int:
    return (of - _EPOCH).days
