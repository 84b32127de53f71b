"""A chart: values of days on one axis of time, with what happened; a drawing that needs no script, and its data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from agents.console.words import day as date_of_day
from pipeline.explain.story import plain

WIDTH, HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 14, 24
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One series; `values` beside the chart's days, None where there is none."""

    name: str
    values: Sequence[float | None]
    tone: str = "main"
    """A colour of the style sheet: main, expected, green, yellow, red or grey."""
    dots: bool = False
    """Whether values stand for themselves: they are not joined."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days, both inclusive, that something was true of."""

    first: int
    last: int
    name: str
    tone: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A day on which something happened."""

    day: int
    name: str
    tone: str


@dataclass(frozen=True, slots=True)
class Band:
    """Between which two values something is expected each day; None where nothing is."""

    name: str
    bounds: Sequence[tuple[float, float] | None]
    tone: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines, a band behind them, spans and marks over days in rising order."""

    title: str
    days: Sequence[int]
    lines: Sequence[Line]
    spans: Sequence[Span] = ()
    marks: Sequence[Mark] = ()
    low: float | None = 0.0
    high: float | None = None
    unit: str = ""
    height: int = HEIGHT
    band: Band | None = None
    _range: tuple[float, float] = field(init=False, default=(0.0, 1.0))

    def __post_init__(self) -> None:
        known = [value for line in self.lines for value in line.values if value is not None]
        known += [value for bounds in self.band.bounds if bounds for value in bounds] if self.band else []
        low = self.low if self.low is not None else min(known, default=0.0)
        high = self.high if self.high is not None else max(known, default=1.0)
        object.__setattr__(self, "_range", (low, high if high > low else low + 1.0))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value is not None for line in self.lines for value in line.values)

    @property
    def data(self) -> str:
        """Everything as JSON, for the script that draws it on a canvas."""
        low, high = self._range
        return json.dumps(
            {
                "days": list(self.days),
                "lines": [asdict(line) for line in self.lines],
                "spans": [asdict(span) for span in self.shown_spans],
                "marks": [asdict(mark) for mark in self.shown_marks],
                "band": asdict(self.band) if self.band else None,
                "range": [low, high],
                "unit": self.unit,
            }
        )

    @property
    def shown_spans(self) -> list[Span]:
        """Those that touch the days, cut to them."""
        first, last = self.days[0], self.days[-1]
        return [
            Span(max(first, each.first), min(last, each.last), each.name, each.tone)
            for each in self.spans
            if each.first <= last and each.last >= first
        ]

    @property
    def shown_marks(self) -> list[Mark]:
        """Those within the days."""
        return [each for each in self.marks if self.days[0] <= each.day <= self.days[-1]]

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Tones and names of the band and of what happened, each once."""
        happened: list[Band | Span | Mark] = [*([self.band] if self.band else []), *self.shown_spans, *self.shown_marks]
        return list(dict.fromkeys((each.tone, each.name) for each in happened))

    def x(self, day: float) -> float:
        """Place of a day from the left."""
        first, last = self.days[0], self.days[-1]
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (day - first) / max(1, last - first), 1)

    def y(self, value: float) -> float:
        """Place of a value from the top."""
        low, high = self._range
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return round(_TOP + (self.height - _TOP - _BOTTOM) * (1.0 - share), 1)

    def paths(self, line: Line) -> list[str]:
        """Points of the pieces of a line, as `polyline` takes them."""
        pieces: list[list[str]] = [[]]
        for day, value in zip(self.days, line.values, strict=True):
            if value is None:
                pieces.append([])
            else:
                pieces[-1].append(f"{self.x(day)},{self.y(value)}")
        return [" ".join(piece) for piece in pieces if piece]

    @property
    def areas(self) -> list[str]:
        """Corners of the pieces of the band, as `polygon` takes them."""
        pieces: list[list[tuple[int, tuple[float, float]]]] = [[]]
        for day, bounds in zip(self.days, self.band.bounds if self.band else (), strict=False):
            if bounds is None:
                pieces.append([])
            else:
                pieces[-1].append((day, bounds))
        return [
            " ".join(
                [f"{self.x(day)},{self.y(low)}" for day, (low, _) in piece]
                + [f"{self.x(day)},{self.y(high)}" for day, (_, high) in reversed(piece)]
            )
            for piece in pieces
            if piece
        ]

    def extent(self, span: Span) -> tuple[float, float]:
        """Place of a span from the left, and its width: whole days, of which values stand in the middle."""
        left = max(float(_LEFT), self.x(span.first - 0.5))
        return left, round(max(3.0, min(float(WIDTH - _RIGHT), self.x(span.last + 0.5)) - left), 1)

    def points(self, line: Line) -> list[tuple[float, float]]:
        """Places of the values that are known."""
        return [
            (self.x(day), self.y(value)) for day, value in zip(self.days, line.values, strict=True) if value is not None
        ]

    @property
    def rules(self) -> list[tuple[float, str]]:
        """Places of the horizontal lines, and what they stand for."""
        low, high = self._range
        values = [low + (high - low) * number / _TICKS for number in range(_TICKS + 1)]
        return [(self.y(value), plain(value)) for value in values]

    @property
    def dates(self) -> list[tuple[float, str]]:
        """Places of some days, and their dates."""
        first, last = self.days[0], self.days[-1]
        step = max(1, (last - first) // _TICKS)
        return [(self.x(number), date_of_day(number)) for number in range(first, last + 1, step)]

    @property
    def columns(self) -> list[tuple[str, Sequence[float | None]]]:
        """Names and values of the lines and of the band's bounds: for those who cannot see the drawing."""
        named: list[tuple[str, Sequence[float | None]]] = [(line.name, line.values) for line in self.lines]
        bounds = self.band.bounds if self.band else ()
        for number, name in enumerate(("from", "to") if bounds else ()):
            named.append((name, [each and each[number] for each in bounds]))
        return named

    @property
    def rows(self) -> list[tuple[str, list[float | None]]]:
        """The same by date, the newest first."""
        values = [values for _, values in self.columns]
        table = [(date_of_day(day), [column[index] for column in values]) for index, day in enumerate(self.days)]
        return table[::-1]


def filled(by_day: dict[int, float | None], days: Sequence[int]) -> list[float | None]:
    """Values for all days; a day without one has that of the day before."""
    found: list[float | None] = []
    for number in days:
        found.append(by_day.get(number, found[-1] if found else None))
    return found
