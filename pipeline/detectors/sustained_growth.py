"""Usage growing for four weeks beyond its own dispersion."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import ripe
from pipeline.detectors.view import Bools, Finding, View

KIND = "sustained_growth"
DIMENSION = "total_usage"
RAISE_RATIO = 1.3
CLEAR_RATIO = 1.1
MIN_DEVIATIONS = 4.0


def evaluate(view: View) -> Finding:
    """Raised on 30 % more than in the four weeks before, every week, where more may be offered."""
    finding = evaluate_ungated(view)
    finding.raised &= ripe(view)
    return finding


def evaluate_ungated(view: View) -> Finding:
    """The same without what is known of today only."""
    sums = view.pane("actions", view.day - 27, view.day).reshape(4, 7, -1).sum(axis=1, dtype=np.int64)
    weeks, now = sums / 1000.0, sums.sum(axis=0) / 1000.0
    before = view.total("actions", view.day - 55, view.day - 28) / 1000.0
    steady: Bools = (weeks >= before / 4.0).all(axis=0)
    spread = np.sqrt(view.level.dispersion * (now + before))
    evidence = (now - before) / np.where(spread > 0, spread, 1.0)
    raised = (view.first_usage_day <= view.day - 83) & (before > 0) & (now >= RAISE_RATIO * before)
    raised &= steady & (evidence >= MIN_DEVIATIONS)
    return Finding(raised, now, before, evidence)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether growth fell below 10 %."""
    return bool(finding.observed[place] < CLEAR_RATIO * finding.expected[place])
