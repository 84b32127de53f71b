"""Features that fell out of use while the account is as active as before."""

from __future__ import annotations

import numpy as np

from pipeline.evidence.share import REFERENCE_DAYS
from pipeline.evidence.view import Finding, View

KIND = "feature_abandonment"
DIMENSION = "feature_share"


def evaluate(view: View) -> Finding:
    """Raised when the mean evidence of the account's features exceeds the threshold."""
    features = view.abandonment
    known = view.first_usage_day <= features.reference_start - REFERENCE_DAYS
    evidence = np.where(known, features.evidence, -np.inf)
    observed, expected = features.abandoned.astype(np.float64), features.judged.astype(np.float64)
    return Finding(evidence >= view.threshold, observed, expected, evidence)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether no feature is used half as much as expected any more."""
    return bool(finding.observed[place] == 0)
