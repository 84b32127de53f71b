"""Several dimensions together: the weighted mean of their e-detectors.

Method: a weighted mean of e-detectors is an e-detector however they depend on each other, so it keeps the average run
length. It speaks where no single dimension may alert by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from pipeline.evidence.view import Evaluator, Finding, View
from pipeline.terms.arrays import F64
from pipeline.terms.kind import FEATURES_DOWN, USERS_DOWN, Kind, Play

KIND = Kind(
    name="combined_evidence",
    dimension="account",
    scope="usage",
    family="risk",
    severity="warning",
    level="advanced",
    unit="dimensions",
    direction="up",
    method="weighted-e-mean",
    evidence="log",
    stream=True,
    amended=True,
    contributors=(USERS_DOWN, FEATURES_DOWN),
    play=Play("account-review", "Review the dimensions that moved together", 3),
    summary="{name}: {observed:.0f} dimensions point to trouble together",
    condition="several dimensions together are surely worse, though none of them alone",
    resolution="the evidence is gone",
)
MIN_SPEAKING = 2
SPEAKING = float(np.log(10.0))
"""Log evidence from which on a dimension counts as one that speaks."""


class CombinedEvidence:
    """The mean of those of the detectors that have a weight; it yields to each of them."""

    def __init__(self, detectors: Iterable[Evaluator]) -> None:
        self.components = tuple(detector for detector in detectors if detector.KIND.weight)
        """Their evidence is a log e-value."""
        self.KIND = replace(KIND, yields_to=("users_unnamed", *(each.KIND.name for each in self.components)))
        self._weights = np.array([[float(detector.KIND.weight)] for detector in self.components])

    def parts(self, view: View) -> F64:
        """Log of each component's weighted e-value, one row a component, one column an account."""
        surest = np.stack([view.finding(detector).surest for detector in self.components])
        return np.asarray(surest + np.log(self._weights))

    def evaluate(self, view: View) -> Finding:
        """Raised when the weighted mean exceeds the threshold and at least two dimensions speak."""
        evidence = self.weighted(view)
        speaking = np.sum([view.finding(detector).surest >= SPEAKING for detector in self.components], axis=0)
        raised = (evidence >= view.threshold) & (speaking >= MIN_SPEAKING)
        return Finding(raised, speaking.astype(np.float64), np.zeros(len(view)), evidence)

    def weighted(self, view: View) -> F64:
        """Log of the weighted mean of the e-detectors; −∞ where none has any evidence."""
        return np.asarray(np.logaddexp.reduce(self.parts(view), axis=0) - np.log(self._weights.sum()))

    def cleared(self, view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
        """Whether fewer than two dimensions speak."""
        return bool(finding.observed[place] < MIN_SPEAKING)
