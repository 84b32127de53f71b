"""The rules by which alerts are set against outcomes, in days and weeks."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.topics import DAY_MS

WEEK_MS = 7 * DAY_MS

LOSSES = ("churned", "contracted")
GAINS = ("expanded",)
LEADS_DAYS = (14, 30, 60, 90)


@dataclass(frozen=True, slots=True)
class Protocol:
    """One set of rules for all inputs; none of it is tuned to one.

    Days are counted from an alert to the outcome, weeks on an axis that begins with the first event's Monday.
    """

    longest_lead_days: int = 120
    """A warning this long before is still taken to be about the outcome."""
    shortest_lead_days: int = 14
    """With less, nothing can be done any more."""
    pending_days: int = 120
    """At the end of the input: nobody knows yet what a warning was followed by."""
    cool_weeks: int = 4
    """An alert on the same account within these weeks after a warning belongs to it."""
    churn_before_weeks: int = 13
    churn_after_weeks: int = 4
    """Detection is fast when it comes within these weeks after the loss."""
    neutral_before_weeks: int = 26
    silent_weeks: int = 26
    """Around a churn, alerts are neither right nor wrong; an account silent for so long is not watched."""
    shift_before_weeks: int = 4
    shift_after_weeks: int = 6
    shift_neutral_weeks: int = 13
    established_weeks: int = 26
    active_weeks: int = 8
    """An account is watched once it was active in so many of the established weeks."""
    declared: bool = False
    """Churn is a declaration (a contract ends), not a silence: nothing after it counts."""
    recall_target: float = 0.5
    """Share of churned accounts to be warned of `stale_lead_days` before."""
    stale_lead_days: int = 30
    stale_quarters: int = 2
    stale_churns: int = 3
    """A quarter with fewer churned accounts says nothing."""
