"""Figures: what was measured, how much it varied, and what it has to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured, once or several times."""

    name: str
    """Stable, dotted: `drain.foreshock`."""
    what: str
    values: tuple[float, ...]
    unit: str
    note: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def middle(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median keeps the bounds; nothing when there are none."""
        if self.at_least is None and self.at_most is None:
            return None
        above = self.at_least is None or self.middle >= self.at_least
        return above and (self.at_most is None or self.middle <= self.at_most)

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "what": self.what,
            "unit": self.unit,
            "median": self.middle,
            "low": min(self.values),
            "high": max(self.values),
            "values": list(self.values),
            "at_least": self.at_least,
            "at_most": self.at_most,
            "met": self.met,
            "note": self.note,
        }


@dataclass(slots=True)
class Results:
    """All figures of a run, in the order in which they came."""

    figures: dict[str, Figure] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Figure]:
        return iter(self.figures.values())

    def add(
        self,
        name: str,
        what: str,
        values: float | Iterable[float],
        unit: str,
        note: str = "",
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> Figure:
        """Keep a figure; the same name again replaces it."""
        several = (values,) if isinstance(values, (int, float)) else tuple(values)
        figure = Figure(name, what, several, unit, note, at_least, at_most)
        self.figures[name] = figure
        return figure

    def middle(self, name: str) -> float | None:
        """Median of a figure; nothing when it was not measured."""
        return self.figures[name].middle if name in self.figures else None


def collect(runs: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    """One value out of several runs' reports."""
    return [float(run[key]) for run in runs]
