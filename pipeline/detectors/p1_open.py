"""A ticket of the highest priority open for longer than its service level."""

from __future__ import annotations

import numpy as np

from pipeline.evidence.view import Finding, View

KIND = "p1_open"
DIMENSION = "tickets"
HOUR_MS = 3_600_000


def evaluate(view: View) -> Finding:
    """Raised when the oldest open P1 passed the limit by the end of the day."""
    limit = view.config.p1_sla_hours
    age_ms = view.end_ms - view.accounts.oldest_p1_ms[view.rows]
    raised = (view.accounts.open_p1[view.rows] > 0) & (age_ms >= limit * HOUR_MS)
    hours = np.where(raised, age_ms / HOUR_MS, 0.0)
    return Finding(raised, hours, np.full(len(view), float(limit)), hours / limit)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether no such ticket is left."""
    return not finding.raised[place]
