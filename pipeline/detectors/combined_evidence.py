"""Several dimensions together: the weighted mean of their e-detectors.

Method: a weighted mean of e-detectors is an e-detector however they depend on each other, so it keeps the average run
length. It speaks where no single dimension may alert by itself.
"""

from __future__ import annotations

import numpy as np

from pipeline.detectors import feature_abandonment, levels, power_user_decline
from pipeline.evidence.view import F64, Evaluator, Finding, View

KIND = "combined_evidence"
DIMENSION = "account"
COMPONENTS: tuple[tuple[Evaluator, int], ...] = (
    *((level, level.weight) for level in levels.BEFORE_SCORE),
    (power_user_decline, 5),
    (feature_abandonment, 3),
)
"""Detectors whose evidence is a log e-value, and their weights, 1–5."""
TOTAL_WEIGHT = sum(weight for _, weight in COMPONENTS)
MIN_SPEAKING = 2
SPEAKING = float(np.log(10.0))
"""Log evidence from which on a dimension counts as one that speaks."""


def evaluate(view: View) -> Finding:
    """Raised when the weighted mean exceeds the threshold and at least two dimensions speak."""
    evidence = weighted(view)
    speaking = np.sum([view.finding(detector).surest >= SPEAKING for detector, _ in COMPONENTS], axis=0)
    raised = (evidence >= view.threshold) & (speaking >= MIN_SPEAKING)
    return Finding(raised, speaking.astype(np.float64), np.zeros(len(view)), evidence)


def weighted(view: View) -> F64:
    """Log of the weighted mean of the e-detectors; −∞ where none has any evidence."""
    parts = np.stack([view.finding(detector).surest + np.log(weight) for detector, weight in COMPONENTS])
    return np.asarray(np.logaddexp.reduce(parts, axis=0) - np.log(TOTAL_WEIGHT))


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether fewer than two dimensions speak."""
    return bool(finding.observed[place] < MIN_SPEAKING)
