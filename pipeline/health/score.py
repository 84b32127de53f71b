"""Totals: the weighted mean of the dimensions that are present."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from pipeline.health.dimensions import USAGE, dimension_of
from pipeline.health.reading import Reading, Sight
from pipeline.scorecards.card import NESTED, Scorecard
from pipeline.terms.arrays import F64, Bools


@dataclass(frozen=True, slots=True)
class Score:
    """A scorecard's result for each account of a view."""

    card: Scorecard
    score: F64
    """0…100, one decimal; NaN when no dimension is present."""
    coverage: F64
    readings: tuple[Reading, ...]
    """One per criterion."""
    usage: Bools | None
    """Where something is known of usage; none when no criterion is about it."""

    @property
    def for_band(self) -> F64:
        """The score that a band may follow from: what is not known of usage, nothing else makes up for."""
        return self.score if self.usage is None else np.where(self.usage, self.score, np.nan)

    @property
    def weights(self) -> F64:
        """Weight that is present."""
        return self.coverage * self.card.total_weight


@dataclass(slots=True)
class Reader:
    """Reads each dimension of a sight once, however many scorecards weigh it."""

    sight: Sight
    _readings: dict[str, Reading] = field(default_factory=dict)

    def scores(self, cards: Iterable[Scorecard]) -> dict[str, Score]:
        """Scores by id; a scorecard must stand behind those nested in it."""
        found: dict[str, Score] = {}
        for card in cards:
            found[card.id] = self._score(card, found)
        return found

    def _score(self, card: Scorecard, others: Mapping[str, Score]) -> Score:
        readings = tuple(self._read(criterion.dimension, others) for criterion in card.criteria)
        points = np.zeros(len(self.sight))
        weights = np.zeros(len(self.sight))
        for criterion, reading in zip(card.criteria, readings, strict=True):
            present = ~np.isnan(reading.value)
            points += np.where(present, criterion.weight * reading.value, 0.0)
            weights += criterion.weight * present
        known = weights > 0
        exact = np.where(known, 100.0 * points / np.where(known, weights, 1.0), np.nan)
        usage = _usage(card, readings, others)
        return Score(card, np.rint(10.0 * exact) / 10.0, weights / card.total_weight, readings, usage)

    def _read(self, name: str, others: Mapping[str, Score]) -> Reading:
        if name.startswith(NESTED):
            other = others[name.removeprefix(NESTED)]
            value = np.where(other.coverage >= other.card.bands.min_coverage, other.score / 100.0, np.nan)
            return Reading(value, other.score, np.full(len(self.sight), 100.0))
        reading = self._readings.get(name)
        if reading is None:
            reading = self._readings[name] = dimension_of(name).read(self.sight)
        return reading


def _usage(card: Scorecard, readings: Iterable[Reading], others: Mapping[str, Score]) -> Bools | None:
    known = []
    for criterion, reading in zip(card.criteria, readings, strict=True):
        present = ~np.isnan(reading.value)
        if criterion.dimension.startswith(NESTED):
            inner = others[criterion.dimension.removeprefix(NESTED)].usage
            if inner is not None:
                known.append(inner & present)
        elif dimension_of(criterion.dimension).source == USAGE:
            known.append(present)
    return np.logical_or.reduce(known) if known else None
