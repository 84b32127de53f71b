"""No activity for longer than the account's own cadence explains.

Method: with active days as independent coin tosses of the baseline's rate, the probability of the present gap.
"""

from __future__ import annotations

import numpy as np

from pipeline.evidence.view import Finding, View
from pipeline.state.members import last_days
from pipeline.terms.kind import FEATURES_DOWN, USERS_DOWN, Kind, Play, Severity

KIND = Kind(
    name="silence",
    dimension="activity",
    scope="usage",
    covers_children=True,
    alone=True,
    lasting=True,
    family="risk",
    severity="error",
    level="basic",
    unit="days",
    direction="up",
    method="geometric-gap",
    evidence="log",
    stream=True,
    told=3,
    amended=True,
    contributors=(USERS_DOWN, FEATURES_DOWN),
    play=Play("reach-out", "Reach the sponsor: the account has gone silent", 2),
    summary="{name}: no activity for {observed:.0f} days; usually active every {expected:.1f} days",
    condition="no activity for longer than the account's own rhythm explains; critical 90 days before the renewal",
    resolution="there is activity again",
)
MIN_BASELINE_DAYS = 28
MIN_ACTIVE_DAYS = 4
MIN_GAP_DAYS = 7
RECOVERED_GAP_DAYS = 2
RENEWAL_DAYS = 90
TOLERANCE = 1e-9
"""Of a sum of factors, whose rounding must not decide."""


def evaluate(view: View) -> Finding:
    """Raised when the gap is at least a week and too improbable for the account's cadence."""
    first = np.maximum(view.first_usage_day, view.day - 83)
    count = np.clip(view.day - 27 - first, 0, None)
    active = np.bitwise_count(last_days(view.active_bits, view.day - 28, 56)).astype(np.int64)
    # Accounts that are not judged today (held after a crash) may show more active days than days.
    rate = 0.9 * np.minimum(1.0, (active + 1) / (count + 2))
    evidence = -view.gap * np.log(1.0 - rate)
    raised = (count >= MIN_BASELINE_DAYS) & (active >= MIN_ACTIVE_DAYS)
    raised &= (view.gap >= MIN_GAP_DAYS) & (evidence >= view.threshold)
    places = np.flatnonzero(raised)
    if len(places):
        # Days on which less was expected make less of a gap; only now, because it costs a look at many days.
        gap = view.counted_gap(places, view.gap[places])
        evidence[places] *= gap / view.gap[places]
        raised[places] = (gap >= MIN_GAP_DAYS - TOLERANCE) & (evidence[places] >= view.threshold)
    return Finding(raised, view.gap.astype(np.float64), 1.0 / rate, evidence)


def cleared(view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
    """Whether the account was active in the last three days."""
    return bool(view.gap[place] <= RECOVERED_GAP_DAYS)


def onset(view: View, place: int) -> tuple[int, int, int]:
    """The first day without activity."""
    first = view.day - int(view.gap[place]) + 1
    return first, first, first


def severity(view: View, place: int) -> Severity:
    """Critical when the renewal is near."""
    return "critical" if view.renews_within(RENEWAL_DAYS, place) else KIND.severity
