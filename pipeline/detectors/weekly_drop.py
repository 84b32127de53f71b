"""A week's actions a fixed percentage below the week before: the plain rule, off by default.

It states no false-alarm rate, because that depends wholly on an account's volume; the minimum volume keeps it from
the accounts on which it is worst.
"""

from __future__ import annotations

import numpy as np

from pipeline.evidence.view import Finding, View

KIND = "weekly_drop"
DIMENSION = "total_usage"


def evaluate(view: View) -> Finding:
    """Raised when the fall reaches the configured percentage and the week before had the minimum."""
    config = view.config
    before = view.total("actions", view.day - 13, view.day - 7) / 1000.0
    fall = 1.0 - view.week_actions / np.where(before > 0, before, 1.0)
    raised = (before >= max(config.basic_min_actions, 0.001)) & (100.0 * fall >= config.basic_drop_pct)
    raised &= config.basic_drop_pct > 0
    return Finding(raised, view.week_actions, before, np.where(before > 0, 100.0 * fall, 0.0))


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether the last week is back within the percentage of the week before the fall."""
    needed = (1.0 - view.config.basic_drop_pct / 100.0) * expected_at_opening
    return bool(finding.observed[place] > needed)
