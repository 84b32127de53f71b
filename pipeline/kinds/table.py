"""The alert kinds: what each is called, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection
from math import log

from pipeline.kinds.relationship import RELATIONSHIP_KINDS
from pipeline.kinds.statistical import STATISTICAL_KINDS
from pipeline.rules import RULES
from pipeline.terms.kind import Family, Kind, Play
from schemas.event_types import ALERT_SEVERITIES

__all__ = ["KINDS", "LEVELS", "Family", "Kind", "Play", "alert_score", "enabled_by_level"]

KINDS: dict[str, Kind] = {
    **STATISTICAL_KINDS,
    "dormant": Kind(
        "risk",
        "warning",
        "intermediate",
        "days",
        "up",
        "beta-geometric",
        Play("reach-out", "Ask whether the product is still in use", 5),
        "{name}: no activity for {observed:.0f} days; a week of use every {expected:.0f} days before. Probably gone",
        "probability",
        yields_to=(
            "silence",
            "usage_drop",
        ),
        condition="an account that is used in some weeks only is probably gone, to judge by its weeks",
        resolution="it is used in two weeks out of four",
    ),
    "single_user_dependence": Kind(
        "risk",
        "info",
        "intermediate",
        "share",
        "up",
        "limit",
        Play("multi-thread", "Win more users in the account", 14),
        "{name}: one user makes {observed:.0%} of the activity",
        condition="one person does most of what the account does",
        resolution="the work is shared again",
    ),
    "weekly_drop": Kind(
        "risk",
        "warning",
        "basic",
        "actions",
        "down",
        "week-over-week",
        Play("usage-review", "Ask what changed and agree on a way back", 3),
        "{name}: {observed:.0f} actions in 7 days, {expected:.0f} in the 7 days before",
        condition="off unless set: a week is so many per cent below the week before",
        resolution="the week is back",
    ),
    "p1_open": Kind(
        "risk",
        "error",
        "basic",
        "hours",
        "up",
        "limit",
        Play("escalation", "Escalate the oldest P1 ticket", 1),
        "{name}: a P1 ticket has been open for {observed:.0f} hours",
        condition="a P1 ticket is open for longer than its service level allows",
        resolution="no such ticket is open",
    ),
    "renewal_at_risk": Kind(
        "risk",
        "warning",
        "advanced",
        "days",
        "down",
        "limit",
        Play("renewal-plan", "Agree on a renewal plan with the sponsor", 7),
        "{name}: renewal in {observed:.0f} days and health is not green",
        condition="the renewal is within 90 days and health is not green",
        resolution="health is green, or the renewal has passed",
    ),
    "health_changed": Kind(
        "risk",
        "info",
        "advanced",
        "points",
        "down",
        "scorecard",
        Play("account-review", "Review the dimensions that moved the score", 5),
        "{name}: health fell to {band}; the score is {observed:.0f}",
        condition="the band of a scorecard got worse",
        resolution="the band is green again",
    ),
    "health_unknown": Kind(
        "data_quality",
        "info",
        "advanced",
        "points",
        "down",
        "scorecard",
        Play("data-check", "Check why the account can no longer be judged", 14),
        "{name}: health can no longer be judged; too little is known",
        condition="too little is known to judge an account that was judged before",
        resolution="it can be judged again",
    ),
    "scorecard_stale": Kind(
        "system",
        "error",
        "advanced",
        "share",
        "down",
        "backtest",
        Play("scorecard-review", "Rework the scorecard: it has missed churn for two quarters", 14),
        "{name}: {observed:.0%} of churned accounts had an alert 30 days before; the target is {expected:.0%}",
        condition="in a backtest, most churn came without a warning for two quarters running",
        resolution="never",
    ),
    "usage_feed_stopped": Kind(
        "data_quality",
        "critical",
        "basic",
        "actions",
        "down",
        "fleet-sum",
        Play("feed-check", "Restart the usage feed and load what is missing", 1),
        "{name}: {observed:.0f} actions on a day, {expected:.0f} expected: the usage feed has stopped",
        condition="hardly any usage arrives from all accounts together",
        resolution="half of the expected usage arrives",
    ),
    "fleet_dip": Kind(
        "system",
        "warning",
        "advanced",
        "share",
        "down",
        "fleet-median",
        Play("release-check", "Look for a release, an outage or a holiday that explains it", 1),
        "{name}: half of the accounts did less than {observed:.0%} of what is usual for the day",
        condition="all accounts, or all of a segment, use the product less at once",
        resolution="nine tenths of the expected are back",
    ),
    "seat_saturation": Kind(
        "expansion",
        "info",
        "basic",
        "users",
        "up",
        "limit",
        Play("seat-offer", "Offer more seats", 14),
        "{name}: {observed:.0f} of {expected:.0f} seats are in use",
        condition="90 % of the seats are in use, health is not red, nothing was bought lately",
        resolution="less than 80 % are, or an expansion is realised",
    ),
    **{rule.kind: rule.as_kind() for rule in RULES},
    **RELATIONSHIP_KINDS,
}


LEVELS = ("basic", "intermediate", "advanced")
"""How demanding a kind is, in rising order."""


def enabled_by_level(disabled: Collection[str]) -> dict[str, int]:
    """Number of kinds of each level that are not switched off."""
    levels = [kind.level for name, kind in KINDS.items() if name not in disabled]
    return {level: levels.count(level) for level in LEVELS}


STREAMS = len(STATISTICAL_KINDS)
"""Statistical detectors of one account, which share the alert budget."""


def alert_score(kind: Kind, severity: str, evidence: float) -> float:
    """How sure an alert is, 0…20, on one scale for all kinds: about the log evidence against chance.

    A statistical kind's log e-value; a deviation's `z²/2`; of a probability, `−ln` of that of the contrary; for a
    fact, which is certain, 14 to 20 by severity.
    """
    if kind.evidence == "log":
        value = evidence
    elif kind.evidence == "deviations":
        value = evidence * evidence / 2.0
    elif kind.evidence == "probability":
        value = -log(max(1e-9, 1.0 - evidence))
    else:
        value = 14.0 + 2.0 * ALERT_SEVERITIES.index(severity)
    return round(min(20.0, max(0.0, value)), 4)
