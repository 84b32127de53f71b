"""What an open alert says as time goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding
from tests.oracle.alive import silent_severity

if TYPE_CHECKING:
    from tests.oracle.model import Episode
    from tests.oracle.view import View

COUNTING = (
    "silence", "dormant", "champion_silent", "sponsor_silent", "power_user_silent", "onboarding_stalled",
    "trial_stalled", "stage_stalled", "review_overdue", "p1_open",
)  # fmt: skip


def steps(kind: str, observed: float) -> int:
    """Count the steps that have been reached: 7, 14, 30, 60 and 90 days, then each 90 more; or down to the renewal."""
    if kind == "renewal_at_risk":
        return len([step for step in (90, 60, 30, 14, 7) if observed <= step])
    if kind not in COUNTING:
        return 0
    days = observed / 24 if kind == "p1_open" else observed
    later = range(180, 100_000, 90)
    return len([step for step in (7, 14, 30, 60, 90, *later) if days >= step])


def still_silent(view: View, episode: Episode) -> Finding:
    """Say for how long nothing happened, once what was usual is not known any more."""
    days = view.day - max(x for x in view.account.active_days if x <= view.day)
    if days >= 128 and episode.onset:
        days = view.day - episode.onset[0] + 1
    usual = "error" if episode.kind == "silence" else "warning"
    return Finding(silent_severity(view, usual), float(days), episode.expected, episode.evidence)
