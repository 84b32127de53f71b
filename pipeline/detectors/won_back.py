"""An account that had ended is a customer again."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.condition import Condition
from pipeline.evidence.view import Finding, View
from pipeline.state.life import ENDED, unjudged
from pipeline.terms.kind import Kind, Play


def _returned(view: View) -> Finding:
    """On the day on which it goes on."""
    raised = (view.former_life == ENDED) & ~unjudged(view.life)
    once = raised.astype(np.float64)
    return Finding(raised, once, np.zeros(len(view)), once)


won_back = Condition(
    Kind(
        name="won_back",
        dimension="return",
        scope="other",
        family="expansion",
        severity="info",
        level="basic",
        unit="returns",
        direction="up",
        method="condition",
        play=Play("welcome-back", "Welcome the customer back and agree on what must be different this time", 3),
        summary="{name}: is a customer again",
        condition="an account that had ended has a subscription or the status of a customer again",
        resolution="some days have passed",
    ),
    _returned,
)
