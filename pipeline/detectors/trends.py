"""The method of four weeks against the baseline, ranked: those accounts are told whose use has changed most for them.

The deviations of actions and of user-days from their own levels, in the mean of both; how many it takes follows from
the alert budget (`fleet/bars.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.detectors.condition import ripe
from pipeline.detectors.levels import LevelDetector
from pipeline.evidence.gaps import OUT_OF_SIGHT
from pipeline.evidence.level import BASELINE_DAYS, LAG_DAYS, MIN_DAYS, WINDOW_DAYS, Level
from pipeline.evidence.view import Finding, View
from pipeline.terms.arrays import F64, Bools, Places, summed

MIN_DAYS_OF_USE = 21
"""Of the four weeks, each counted by its factor, below which a fall says too little."""
IDLE_DAYS = 2
"""For which an account may be closed and tell nobody: of a time, those without anything on which most is expected."""
MIN_EXPECTED = 2.0
"""Actions of four weeks that are taken to be usual at least, of a rise; below which no fall is seen."""


@dataclass(slots=True)
class Trend(LevelDetector):
    """One daily value over four weeks, in the direction of its kind."""

    def evaluate(self, view: View) -> Finding:
        """Raised when four weeks are materially off the level and the deviations reach the bar."""
        falls = self.KIND.direction == "down"
        observed = self._observed(view, self.pane)
        expected = LAG_DAYS * view.rough_mean(self.pane)
        finding = Finding.nothing(observed, expected)
        off = observed >= self.ratio * np.maximum(expected, MIN_EXPECTED)
        if falls:
            off = (observed < self.ratio * expected) & (expected >= MIN_EXPECTED) & (view.four_weeks >= MIN_DAYS_OF_USE)
        places = np.flatnonzero(off & self.at_stake(view))
        if len(places):
            level = view.level_of(self.pane, places)
            expected, deviations = self._deviations(view, self.pane, level, places)
            users = view.level_of("active_users", places)
            both = (deviations + self._deviations(view, "active_users", users, places)[1]) / 2.0
            deviations = np.where(users.defined, both, deviations)
            off = self._still_off(view, level, places, observed[places], expected)
            finding.expected[places] = expected
            finding.evidence[places] = np.where(off, deviations, -np.inf)
            finding.raised[places] = off & (deviations >= view.bar(self.KIND))
        if self.gated:
            finding.raised &= ripe(view)
        return finding

    def at_stake(self, view: View) -> Bools:
        """Accounts that count in the rate of alarms: with a whole baseline, and not long gone."""
        return np.asarray((view.first_usage_day <= view.day - WINDOW_DAYS + 1) & (view.gap < OUT_OF_SIGHT))

    def _deviations(self, view: View, pane: str, level: Level, places: Places) -> tuple[F64, F64]:
        """What was expected of four weeks, and how far they are off in the kind's direction."""
        if self.KIND.direction == "down":
            means = view.means(level, view.day - LAG_DAYS + 1, view.day, places)
            expected = summed(means) - _idle(view, pane, view.day, means, places)
            dispersion, sign = level.dispersion, -1.0
        else:
            # The calendar only lowers what is expected; a rise must be one without it too.
            last = view.day - LAG_DAYS
            means = level.means(last - BASELINE_DAYS + 1, last) * view.learnt_from(places)
            usual = np.maximum(summed(means), 1e-9)
            closed = np.minimum(_idle(view, pane, last, means, places) / usual, 0.5)
            expected = np.maximum(LAG_DAYS * level.mean / (1.0 - closed), MIN_EXPECTED)
            dispersion, sign = level.rise_dispersion, 1.0
        spread = np.sqrt(np.maximum(expected, 1e-9) * dispersion * (1.0 + LAG_DAYS / np.maximum(level.days, 1)))
        return expected, sign * (self._observed(view, pane)[places] - expected) / spread

    def _still_off(self, view: View, level: Level, places: Places, observed: F64, expected: F64) -> Bools:
        """Whether four weeks are off the level as it is; of a rise, each of them at it."""
        if self.KIND.direction == "down":
            usual = LAG_DAYS * level.mean
            return np.asarray(level.defined & (observed < self.ratio * np.minimum(expected, usual)))
        weeks = view.columns(self.pane, view.day - LAG_DAYS + 1, view.day, places).reshape(4, 7, -1).sum(axis=1)
        steady = (weeks / view.scale(self.pane) >= 7.0 * level.mean).all(axis=0)
        return np.asarray((level.days >= MIN_DAYS) & steady & (observed >= self.ratio * expected))


def _idle(view: View, pane: str, last_day: int, means: F64, places: Places) -> F64:
    """What was expected of the idle days of a time that ends with a day, whose means are given."""
    idle = view.columns(pane, last_day - len(means) + 1, last_day, places) == 0
    return np.asarray(np.sort(np.where(idle, means, 0.0), axis=0)[-IDLE_DAYS:].sum(axis=0))
