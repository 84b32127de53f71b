"""Planned shutdowns as settings have them: `FIRST/LAST`, dates included, then whom they concern."""

from __future__ import annotations

from datetime import date

from pipeline.terms.calendar import PlannedShutdown, country_code

_EPOCH = date(1970, 1, 1)


def planned_shutdown(text: str) -> PlannedShutdown:
    """What a text like `2026-12-24/2027-01-01; segment=smb; country=DE` plans; a day alone may stand for both dates.

    Raises:
        ValueError: it is no such text; the message says why.
    """
    dates, *filters = (part.strip() for part in text.split(";"))
    first, _, last = dates.partition("/")
    concerned: dict[str, str] = {}
    for each in filters:
        name, _, value = (part.strip() for part in each.partition("="))
        if name not in {"segment", "country"} or not value or name in concerned:
            message = f"{text!r}: after the dates, `segment=NAME` and `country=CODE` may stand, once each"
            raise ValueError(message)
        concerned[name] = value
    if "country" in concerned:
        code = country_code(concerned["country"])
        if code is None:
            message = f"{text!r}: {concerned['country']!r} is no ISO 3166 code of a country with known holidays"
            raise ValueError(message)
        concerned["country"] = code
    try:
        return PlannedShutdown(_day(first), _day(last or first), **concerned)
    except ValueError as error:
        message = f"{text!r}: {error}; write FIRST/LAST like 2026-12-24/2027-01-01"
        raise ValueError(message) from error


def _day(text: str) -> int:
    return (date.fromisoformat(text.strip()) - _EPOCH).days


def valid_shutdowns(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The same, all of them valid. Raises ValueError."""
    for text in texts:
        planned_shutdown(text)
    return texts
