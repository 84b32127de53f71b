"""People say that all is well while the account uses the product less: behaviour against sentiment."""

from __future__ import annotations

import numpy as np

from pipeline.evidence.view import Finding, View
from pipeline.terms.arrays import F64, Bools, summed
from pipeline.terms.kind import FEATURES_DOWN, USERS_DOWN, Kind, Play

KIND = Kind(
    name="sentiment_gap",
    dimension="sentiment",
    scope="usage",
    family="risk",
    severity="warning",
    level="advanced",
    unit="actions",
    direction="down",
    method="overdispersed-z",
    evidence="deviations",
    joins="sentiment stayed good",
    contributors=(USERS_DOWN, FEATURES_DOWN),
    play=Play("honest-talk", "Ask openly why the product is used less", 5),
    summary=(
        "{name}: sentiment is good, yet usage fell to {observed:.0f} actions in four weeks, {expected:.0f} expected"
    ),
    condition="pulse and survey are green while four weeks of usage are 30 % below the expected, four deviations",
    resolution="usage is back at 85 %, or sentiment is not green any more",
)
GREEN = 0.75
"""Sentiment, in 0…1, from which on it is called good."""
FALLEN, RECOVERED = 0.7, 0.85
"""Shares of the expected usage of four weeks; of the last one the latter too."""
MIN_DEVIATIONS = 4.0
MIN_DAYS = 21
"""Of the four weeks, each counted by its factor."""


def evaluate(view: View) -> Finding:
    """Raised when four weeks are 30 % and four deviations below what was expected, and pulse and survey are good.

    Not when the last week is back already.
    """
    content = _content(view)
    observed = view.counted("actions", 28)
    expected = np.where(view.level.judged, summed(view.means(view.level, view.day - 27, view.day)), 0.0)
    spread = np.sqrt(np.maximum(view.level.dispersion * expected, 1e-300))
    deviations = np.where(expected > 0, (expected - observed) / spread, 0.0)
    raised = content & (expected > 0) & (observed < FALLEN * expected) & (deviations >= MIN_DEVIATIONS)
    raised &= (view.four_weeks >= MIN_DAYS) & (view.counted("actions", 7) < RECOVERED * view.week_expected)
    return Finding(raised, observed, expected, deviations)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether usage is back, or people have come to say so."""
    back = finding.observed[place] >= RECOVERED * finding.expected[place]
    return bool(back or not _content(view)[place])


def _content(view: View) -> Bools:
    pulse, survey = (_unexpired(view, name) for name in ("pulse", "survey"))
    both = (pulse + survey) / 2.0
    return np.asarray(np.where(np.isnan(pulse), survey, np.where(np.isnan(survey), pulse, both)) >= GREEN)


def _unexpired(view: View, name: str) -> F64:
    return np.where(view.column(f"{name}_until_ms") > view.end_ms, view.column(name), np.nan).astype(np.float64)
