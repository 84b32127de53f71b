"""More tickets opened in a week than the account's own rate explains."""

from __future__ import annotations

import numpy as np

from pipeline.detectors.view import Finding, View

KIND = "ticket_surge"
DIMENSION = "tickets"
MIN_BASELINE_DAYS = 14
MIN_TICKETS = 4


def evaluate(view: View) -> Finding:
    """Raised four standard deviations (of a Poisson count) above the smoothed weekly rate."""
    opened = view.total("tickets_opened", view.day - 6, view.day)
    base = view.total("tickets_opened", view.day - 62, view.day - 7)
    first = np.maximum(view.column("first_day").astype(np.int64), view.day - 62)
    count = np.clip(view.day - 6 - first, 0, None)
    rate = 7.0 * (base + 1) / (count + 7)
    spread = np.sqrt(rate)
    raised = (count >= MIN_BASELINE_DAYS) & (opened >= MIN_TICKETS) & (opened >= rate + 4.0 * spread + 1.0)
    return Finding(raised, opened.astype(np.float64), rate, (opened - rate) / spread)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether the week is within one standard deviation of the rate at the opening."""
    return bool(finding.observed[place] <= expected_at_opening + np.sqrt(expected_at_opening) + 1.0)
