"""Days on which less is expected of an account than on others: public holidays and planned shutdowns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from unicodedata import normalize

import holidays
import numpy as np
from holidays.registry import COUNTRIES

from pipeline.terms.arrays import Bools

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class PlannedShutdown:
    """Days, first to last, on which nothing is expected of a segment, a country or, with neither, of anybody."""

    first_day: int
    last_day: int
    segment: str | None = None
    country: str | None = None

    def __post_init__(self) -> None:
        if self.last_day < self.first_day:
            raise ValueError("a planned shutdown must not end before it starts")


_OTHER_NAMES = {"UK": "GB", "ENGLAND": "GB", "GREATBRITAIN": "GB", "USA": "US", "UNITEDSTATESOFAMERICA": "US",
                "HOLLAND": "NL", "CZECHREPUBLIC": "CZ", "TURKIYE": "TR", "DEUTSCHLAND": "DE", "OSTERREICH": "AT",
                "SCHWEIZ": "CH", "SUISSE": "CH", "ESPANA": "ES", "ITALIA": "IT", "BRASIL": "BR"}  # fmt: skip
"""What people write, without accents and spaces."""


@cache
def _known_countries() -> dict[str, str]:
    """ISO 3166 codes of the countries whose public holidays are known, by code of two or three letters and by name."""
    supported = holidays.list_supported_countries()
    found = {name: code for name, code in _OTHER_NAMES.items() if code in supported}
    for place, (_, code, longer, *_) in COUNTRIES.items():
        if code in supported:
            found |= dict.fromkeys((code, longer, place.replace("_", "").upper()), code)
    return found


@cache
def country_code(text: str | None) -> str | None:
    """The ISO 3166 code of a country whose public holidays are known, from its code or its name."""
    plain = "".join(letter for letter in normalize("NFKD", text or "").upper() if letter.isalpha())
    return _known_countries().get(plain) or _known_countries().get(plain.removeprefix("THE"))


@cache
def _holidays(country: str, year: int) -> frozenset[int]:
    return frozenset(day.toordinal() - _EPOCH for day in holidays.country_holidays(country, years=year))


def public_holidays(country: str, days: Sequence[int]) -> Bools:
    """Which of the days are public holidays all over a country."""
    years = range(date.fromordinal(_EPOCH + days[0]).year, date.fromordinal(_EPOCH + days[-1]).year + 1)
    free: frozenset[int] = frozenset().union(*(_holidays(country, year) for year in years))
    return np.fromiter((day in free for day in days), dtype=np.bool_, count=len(days))


def covering(shutdowns: Iterable[tuple[int, int]], days: Sequence[int]) -> Bools:
    """Which of the days lie in one of the spans, each given by its first and last day."""
    covered = np.zeros(len(days), dtype=np.bool_)
    for first, last in shutdowns:
        covered[max(0, first - days[0]) : max(0, last - days[0] + 1)] = True
    return covered
