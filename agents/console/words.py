"""Values as people read them: dates, money, shares and names, for the templates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from pipeline.explain.story import plain, spaced
from pipeline.terms.money import money
from schemas.topics import DAY_MS

NONE = "–"


def date(at_ms: int | None, zone: ZoneInfo | None = None) -> str:
    """A day: 2026-03-01."""
    return NONE if at_ms is None else f"{_at(at_ms, zone):%Y-%m-%d}"


def short_date(at_ms: int | None, zone: ZoneInfo | None = None) -> str:
    """A day in short: 1 Mar."""
    return NONE if at_ms is None else f"{_at(at_ms, zone):%-d %b}"


def moment(at_ms: int | None, zone: ZoneInfo | None = None) -> str:
    """A day and a time."""
    return NONE if at_ms is None else f"{_at(at_ms, zone):%Y-%m-%d %H:%M}"


def day(number: int | None) -> str:
    """A day by its number."""
    return NONE if number is None else date(number * DAY_MS)


def span(from_ms: int | None, to_ms: int) -> str:
    """How long ago, or in how long: 3 days."""
    if from_ms is None:
        return NONE
    days = round((to_ms - from_ms) / DAY_MS)
    count = abs(days)
    words = "today" if not count else f"{count} day{'' if count == 1 else 's'}"
    return words if days >= 0 or not count else f"in {words}"


def amount(minor: float | None, currency: str | None) -> str:
    """Money; whole units, since nobody decides by cents."""
    if minor is None:
        return NONE
    text = money(minor, currency)
    number, blank, code = text.partition(" ")
    return f"{number.partition('.')[0]}{blank}{code}"


def number(value: float | None) -> str:
    """A number, two decimals at most."""
    return NONE if value is None else plain(value)


def whole(value: float | None) -> str:
    """A number without decimals."""
    return NONE if value is None else f"{value:,.0f}"


def share(value: float | None) -> str:
    """A share as a percentage."""
    return NONE if value is None else f"{value:.0%}".replace("%", " %")


def change(pct: float | None) -> str:
    """A change in percent."""
    return "" if pct is None else f"{pct:+.0f} %".replace("-", "−")


def label(name: str | None) -> str:
    """A name of ours in words."""
    return NONE if name is None else spaced(name)


def about(summary: str, name: str | None) -> str:
    """What a summary says beside the account's name, which stands above it."""
    said = summary.removeprefix(f"{name}: ")
    return said[:1].upper() + said[1:]


def path(text: str) -> str:
    """Text of others as a part of an address."""
    return quote(text, safe="")


def query(values: Mapping[str, Any], **changes: Any) -> str:
    """An address's query with some values changed; what is empty is left out."""
    wanted = {**values, **changes}
    return urlencode({name: value for name, value in wanted.items() if value not in {None, "", False}})


def _at(at_ms: int, zone: ZoneInfo | None) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, zone or UTC)


FILTERS = {
    "amount": amount, "number": number, "whole": whole, "share": share, "change": change, "label": label,
    "day": day, "path": path, "about": about,
}  # fmt: skip
