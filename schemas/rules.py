"""What a field may be: rules that are held against a single value; `columns` holds them against many.

That a value has the type of its field is settled before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.accounts import RESERVED, of_fleet
from schemas.reasons import Reason
from schemas.scales import DEFAULT_SCALES, share_of

_MAX_TEXT_BYTES = 1_024
_YEAR_2000_MS = 946_684_800_000
_YEAR_2100_MS = 4_102_444_800_000
_YEAR_10000_MS = 253_402_300_800_000
_LAST_YEAR = 9999
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MISTAKEN = (
    (10_000, 80_000, "the serial date of a spreadsheet"),
    (20_000_101, 21_000_000, "yyyymmdd as a number"),
    (_YEAR_2000_MS // 1000, _YEAR_2100_MS // 1000, "seconds instead of milliseconds"),
    (_YEAR_2000_MS * 1000, _YEAR_2100_MS * 1000, "microseconds instead of milliseconds"),
    (_YEAR_2000_MS * 1_000_000, _YEAR_2100_MS * 1_000_000, "nanoseconds instead of milliseconds"),
)
"""Numbers from and below, and what they may be; every one of them within this century."""


@dataclass(frozen=True, kw_only=True)
class Requirement(ABC):
    """What a record must keep. As a text, what is wrong with one that breaks it."""

    reason: Reason
    """Of the dead letter of a record that breaks it."""

    def wrong_with(self, _value: Any) -> str:
        """What is wrong with a value that breaks it."""
        return str(self)

    @abstractmethod
    def __str__(self) -> str:
        pass


@dataclass(frozen=True, kw_only=True)
class Rule(Requirement):
    """What holds for the values of a field; null keeps every rule."""

    def allows(self, value: Any) -> bool:
        """Whether a single value keeps it."""
        return value is None or self._allows(value)

    @abstractmethod
    def _allows(self, value: Any) -> bool:
        pass


@dataclass(frozen=True, kw_only=True)
class Text(Rule):
    """So many bytes of UTF-8, and no NUL, which PostgreSQL cannot store."""

    reason: Reason = Reason.INVALID_TEXT
    least: int = 0
    most: int = _MAX_TEXT_BYTES

    def __str__(self) -> str:
        return f"not {self.least} to {self.most:,} bytes without NUL"

    def _allows(self, value: str) -> bool:
        return self.least <= len(value.encode()) <= self.most and "\x00" not in value


@dataclass(frozen=True, kw_only=True)
class Texts(Rule):
    """Every item of a list is such a text."""

    reason: Reason = Reason.INVALID_TEXT
    item: Text = Text()

    def __str__(self) -> str:
        return f"an item is {self.item}"

    def _allows(self, value: list[str]) -> bool:
        return all(map(self.item.allows, value))


@dataclass(frozen=True, kw_only=True)
class Number(Rule):
    """A closed interval; NaN is outside."""

    reason: Reason = Reason.INVALID_VALUE
    low: float
    high: float

    def __str__(self) -> str:
        return f"not between {self.low:,} and {self.high:,}"

    def _allows(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class Time(Number):
    """An instant in epoch milliseconds."""

    reason: Reason = Reason.INVALID_TIME
    low: float = _YEAR_2000_MS
    high: float = _YEAR_10000_MS - 1

    def __str__(self) -> str:
        return "not between the years 2000 and 9999"

    def wrong_with(self, value: Any) -> str:
        """With the likely cause."""
        cause = likely_cause(value)
        lies = f"lies in {_year(value)}" if 0 <= value <= self.high else str(self)
        return f"{lies}: {cause}" if cause else lies


@dataclass(frozen=True, kw_only=True)
class Past(Number):
    """An instant that is over."""

    reason: Reason = Reason.FUTURE_DATED
    low: float = -(2**63)

    def __str__(self) -> str:
        return f"in the future: later than {_EPOCH + timedelta(milliseconds=self.high):%Y-%m-%dT%H:%M:%SZ}"

    def wrong_with(self, value: Any) -> str:
        """With the likely cause."""
        return f"{self}: 9999 for never?" if _year(value) == _LAST_YEAR else str(self)


def likely_cause(number: float) -> str:
    """What a number that is no time in milliseconds may be instead, as a question; empty if nothing suggests itself."""
    if number == 0:
        return "0 for no time?"
    return next((f"{words}?" for low, high, words in _MISTAKEN if low <= number < high), "")


def _year(time_ms: float) -> int:
    return (_EPOCH + timedelta(milliseconds=min(time_ms, _YEAR_10000_MS - 1))).year


@dataclass(frozen=True, kw_only=True)
class Symbol(Rule):
    """One of a few texts."""

    reason: Reason = Reason.INVALID_TYPE
    symbols: frozenset[str]

    def __str__(self) -> str:
        return f"not one of {', '.join(sorted(self.symbols))}"

    def _allows(self, value: str) -> bool:
        return value in self.symbols


@dataclass(frozen=True, kw_only=True)
class Unreserved(Rule):
    """An account id that a customer may have."""

    reason: Reason = Reason.RESERVED_ID

    def __str__(self) -> str:
        return f"reserved: {RESERVED}"

    def _allows(self, value: str) -> bool:
        return not of_fleet(value)


@dataclass(frozen=True, kw_only=True)
class OnScale(Requirement):
    """The score of a signal that answers something lies on its scale: the one that it names, or that of its type."""

    reason: Reason = Reason.INVALID_VALUE

    def __str__(self) -> str:
        return "not on the scale, which begins at 1 where the best answer is below 10, else at 0"

    def allows(self, row: Mapping[str, Any]) -> bool:
        """Whether a single record keeps it."""
        best, score = DEFAULT_SCALES.get(row["type"]), row["score"]
        if best is None or score is None:
            return True
        return share_of(score, row["scale"] if row["scale"] is not None else best) is not None
