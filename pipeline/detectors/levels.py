"""The method of daily values below or above their expected level.

A value that falls is judged on its last week (or weeks) against the expected level, and only where it is below that
is the e-detector computed; the same for a value that rises.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.detectors.condition import ripe
from pipeline.evidence import esr
from pipeline.evidence.level import BASELINE_DAYS, LAG_DAYS, MIN_DAYS, SEASONAL_DAYS, SETTLED_AGE, Level
from pipeline.evidence.view import Finding, View
from pipeline.terms.arrays import F64, Bools, Places, summed
from pipeline.terms.kind import Kind

FALLS = (0.8, 0.6, 0.3)
RISES = (1.5, 2.0, 4.0, 16.0)
FALL_CAP, RISE_CAP, GROWTH_CAP = 3.0, 4.0, 1.9
"""Log evidence of one day at most, so that neither one day nor two can raise the alarm. Growth takes longer still."""
IDLE_CAP = 1.0
"""The same of a day without anything: an account may be closed for two days and tell nobody."""


@dataclass(slots=True)
class LevelDetector:
    """One daily value in the direction of its kind."""

    KIND: Kind
    pane: str
    ratio: float
    """What the last `days` must be below (above) against the expected level."""
    days: int = 7
    least: float = 0.0
    """What a rise must reach in the last `days`."""
    silence: bool = False
    """Whether `days` without anything are another kind's matter."""
    steady: bool = False
    """Whether each of the last four weeks must be at the expected level, and the baseline complete."""
    gated: bool = False
    """Whether it is raised only where more may be offered."""
    cap: float = FALL_CAP
    """Log evidence of one day at most of a fall, unless it is an idle one."""
    recovered: float | None = None
    """What the last `days` must reach (fall to) against the opening's expectation; for a rise without it, a standard
    deviation of a count."""

    def evaluate(self, view: View) -> Finding:
        """Raised when the evidence exceeds the threshold and the last days are materially off their level."""
        observed = self._observed(view, self.pane)
        expected = self.days * view.rough_mean(self.pane)
        finding = Finding.nothing(observed, expected)
        places = np.flatnonzero(self._concerned(view, observed, expected))
        if len(places):
            level = view.level_of(self.pane, places)
            (self._falls if self.KIND.direction == "down" else self._rises)(view, level, places, finding)
        if self.gated:
            finding.raised &= ripe(view)
        return finding

    def cleared(self, view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
        """Whether the last days are back near what was expected when the episode opened."""
        observed = finding.observed[place]
        if self.KIND.direction == "down":
            return bool(observed >= (self.recovered or self.ratio) * expected_at_opening)
        if self.recovered is not None:
            return bool(observed < self.recovered * expected_at_opening)
        return bool(observed <= expected_at_opening + np.sqrt(expected_at_opening) + 1.0)

    def onset(self, view: View, place: int) -> tuple[int, int, int]:
        """First day of the change and the range it may lie in, for an account that raised."""
        places = np.array([place])
        level = view.level_of(self.pane, places)
        live = self._live_days if self.KIND.direction == "up" else int(level.lag[0])
        best, longest, shortest = esr.onset(self._log_e(view, level, places)[:, :, 0], min(live, LAG_DAYS))
        return view.day - best, view.day - longest, view.day - shortest

    def evidence_of(self, view: View, places: Places) -> F64:
        """Log evidence of the accounts at some places, off their level or not; −∞ for those who cannot be judged."""
        level = view.level_of(self.pane, places)
        falls = self.KIND.direction == "down"
        judged = level.defined if falls else level.lag >= LAG_DAYS
        lag = level.lag if falls else np.full(len(places), self._live_days)
        return np.where(judged, esr.last_two(self._log_e(view, level, places), lag)[1], -np.inf)

    def _observed(self, view: View, pane: str) -> F64:
        """A pane's last days; of a fall, those on which anything is expected."""
        return (view.counted if self.KIND.direction == "down" else view.last)(pane, self.days)

    @property
    def _live_days(self) -> int:
        """Days that speak for a rise: a surge is short, and bursts in different weeks are none."""
        return LAG_DAYS if self.steady else self.days

    def _concerned(self, view: View, observed: F64, expected: F64) -> Bools:
        age = view.day - view.first_day_of(self.pane) + 1
        if self.KIND.direction == "down":
            low = (observed < self.ratio * expected) & (expected > 0)
            near = np.where(age < SETTLED_AGE, age >= 2 * MIN_DAYS - 1, low)
            return np.asarray(near & ~(self.silence & (observed == 0)))
        enough = (observed >= self.least) & (observed >= self.ratio * expected) & (observed > 0)
        return np.asarray(enough & (age >= LAG_DAYS + (BASELINE_DAYS if self.steady else SEASONAL_DAYS)))

    def _falls(self, view: View, level: Level, places: Places, finding: Finding) -> None:
        """Write the findings of accounts whose value may have fallen."""
        before, now = esr.last_two(self._log_e(view, level, places), level.lag)
        expected = summed(view.means(level, view.day - self.days + 1, view.day, places))
        observed = finding.observed[places]
        low = level.defined & (observed < self.ratio * expected) & (observed < self.ratio * self.days * level.mean)
        finding.expected[places] = expected
        finding.evidence[places] = np.where(low, now, -np.inf)
        finding.lasting = finding.evidence.copy()
        finding.lasting[places] = np.minimum(finding.lasting[places], before)
        finding.raised[places] = low & (before >= view.threshold) & (now >= view.threshold)

    def _rises(self, view: View, level: Level, places: Places, finding: Finding) -> None:
        """Write the findings of accounts whose value may have risen."""
        now = esr.last_two(self._log_e(view, level, places), np.full(len(places), self._live_days))[1]
        expected, observed = self.days * level.mean, finding.observed[places]
        high = observed > expected + np.sqrt(expected) + 1.0
        if self.steady:
            weeks = view.columns(self.pane, view.day - LAG_DAYS + 1, view.day, places).reshape(4, 7, -1).sum(axis=1)
            high &= level.defined & (weeks / view.scale(self.pane) >= 7.0 * level.mean).all(axis=0)
        finding.expected[places] = expected
        finding.evidence[places] = np.where(high, now, -np.inf)
        finding.raised[places] = high & (now >= view.threshold)

    def _log_e(self, view: View, level: Level, places: Places) -> F64:
        first = view.day - LAG_DAYS + 1
        values = view.columns(self.pane, first, view.day, places) / view.scale(self.pane)
        if self.KIND.direction == "down":
            means = level.safe * view.means(level, first, view.day, places)
            tilts = esr.falling_tilts(FALLS, level.dispersion)
            cap = np.where(values > 0, self.cap, IDLE_CAP)[:, None, :]
            return esr.without_days(esr.log_e_values(values, means, tilts, level.dispersion, cap), means)
        # The calendar only lowers what is expected; a rise must be one without it too.
        means = level.upper * level.weekday_factors(first, view.day)
        tilts = esr.rising_tilts(RISES, level.rise_dispersion)
        return esr.log_e_values(values, means, tilts, level.rise_dispersion, GROWTH_CAP if self.steady else RISE_CAP)
