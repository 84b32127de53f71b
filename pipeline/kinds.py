"""The alert kinds: what each is called, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.kind import Family, Kind, Play
from pipeline.relationship_kinds import RELATIONSHIP_KINDS
from pipeline.rules import RULES
from schemas.event_types import ALERT_SEVERITIES

__all__ = ["KINDS", "LEVELS", "Family", "Kind", "Play", "alert_score", "enabled_by_level"]

KINDS: dict[str, Kind] = {
    "usage_drop": Kind(
        "risk",
        "error",
        "basic",
        "actions",
        "down",
        "nb-esr",
        Play("usage-review", "Ask what changed and agree on a way back", 3),
        "{name}: usage fell to {observed:.0f} actions in 7 days, {expected:.0f} expected",
        "log",
    ),
    "users_drop": Kind(
        "risk",
        "error",
        "intermediate",
        "users",
        "down",
        "nb-esr",
        Play("usage-review", "Ask what changed and agree on a way back", 3),
        "{name}: {observed:.0f} user-days in 7 days, {expected:.0f} expected",
        "log",
        yields_to=(
            "usage_drop",
            "silence",
        ),
    ),
    "time_drop": Kind(
        "risk",
        "warning",
        "intermediate",
        "minutes",
        "down",
        "nb-esr",
        Play("usage-review", "Ask what changed and agree on a way back", 3),
        "{name}: {observed:.0f} minutes in the product in 7 days, {expected:.0f} expected",
        "log",
        yields_to=(
            "usage_drop",
            "users_drop",
            "silence",
        ),
    ),
    "breadth_drop": Kind(
        "risk",
        "warning",
        "intermediate",
        "features",
        "down",
        "nb-esr",
        Play("feature-review", "Ask which features no longer help and why", 5),
        "{name}: {observed:.0f} feature-days in 7 days, {expected:.0f} expected",
        "log",
        yields_to=(
            "usage_drop",
            "users_drop",
            "silence",
        ),
    ),
    "touch_drop": Kind(
        "risk",
        "warning",
        "intermediate",
        "meetings",
        "down",
        "nb-esr",
        Play("meeting-cadence", "Agree on the next meetings", 7),
        "{name}: {observed:.0f} meetings in 28 days, {expected:.0f} expected",
        "log",
    ),
    "power_user_decline": Kind(
        "risk",
        "error",
        "intermediate",
        "share",
        "down",
        "share-lr-esr",
        Play("champion-check", "Call the power users who went quiet", 2),
        "{name}: power users' share of activity fell from {expected:.0%} to {observed:.0%} while the total is not down",
        "log",
    ),
    "user_mix_shift": Kind(
        "risk",
        "warning",
        "intermediate",
        "share",
        "down",
        "share-lr-esr",
        Play("champion-check", "Ask what changed for the power users as others joined", 5),
        "{name}: power users' share of activity fell from {expected:.0%} to {observed:.0%} while the total rises",
        "log",
        yields_to=("power_user_decline",),
    ),
    "feature_abandonment": Kind(
        "risk",
        "warning",
        "intermediate",
        "features",
        "down",
        "share-lr-esr",
        Play("feature-review", "Ask what replaced the abandoned features", 5),
        "{name}: {observed:.0f} of {expected:.0f} features in use are being abandoned",
        "log",
        yields_to=(
            "usage_drop",
            "breadth_drop",
        ),
    ),
    "combined_evidence": Kind(
        "risk",
        "warning",
        "advanced",
        "dimensions",
        "up",
        "weighted-e-mean",
        Play("account-review", "Review the dimensions that moved together", 3),
        "{name}: {observed:.0f} dimensions point to trouble together",
        "log",
        yields_to=(
            "usage_drop",
            "users_drop",
            "time_drop",
            "breadth_drop",
            "touch_drop",
            "ticket_surge",
            "severity_surge",
            "negative_sentiment",
            "payment_trouble",
            "power_user_decline",
            "feature_abandonment",
        ),
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
    ),
    "silence": Kind(
        "risk",
        "error",
        "basic",
        "days",
        "up",
        "geometric-gap",
        Play("reach-out", "Reach the sponsor: the account has gone silent", 2),
        "{name}: no activity for {observed:.0f} days; usually active every {expected:.1f} days",
        "log",
    ),
    "ticket_surge": Kind(
        "risk",
        "warning",
        "intermediate",
        "tickets",
        "up",
        "nb-esr",
        Play("support-sync", "Review the open tickets with support", 2),
        "{name}: {observed:.0f} tickets opened in 7 days, {expected:.1f} expected",
        "log",
    ),
    "severity_surge": Kind(
        "risk",
        "warning",
        "intermediate",
        "points",
        "up",
        "nb-esr",
        Play("support-sync", "Review the open tickets with support", 2),
        "{name}: tickets weigh {observed:.0f} severity points in 7 days, {expected:.1f} expected",
        "log",
        yields_to=("ticket_surge",),
    ),
    "negative_sentiment": Kind(
        "risk",
        "warning",
        "intermediate",
        "complaints",
        "up",
        "nb-esr",
        Play("support-sync", "Read the complaints and answer them", 2),
        "{name}: {observed:.0f} complaints in tickets in 7 days, {expected:.1f} expected",
        "log",
        yields_to=("ticket_surge",),
    ),
    "payment_trouble": Kind(
        "risk",
        "error",
        "intermediate",
        "troubles",
        "up",
        "nb-esr",
        Play("payment-contact", "Contact the billing owner about the payments", 2),
        "{name}: {observed:.0f} payment troubles in 7 days, {expected:.1f} expected",
        "log",
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
    ),
    "sustained_growth": Kind(
        "expansion",
        "info",
        "intermediate",
        "actions",
        "up",
        "nb-esr",
        Play("growth-talk", "Ask what drives the growth and what it needs", 14),
        "{name}: usage grew from {expected:.0f} to {observed:.0f} actions in four weeks",
        "log",
    ),
    "users_growth": Kind(
        "expansion",
        "info",
        "intermediate",
        "users",
        "up",
        "nb-esr",
        Play("seat-offer", "Ask who joined and whether seats suffice", 14),
        "{name}: user-days grew from {expected:.0f} to {observed:.0f} in four weeks",
        "log",
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


STREAMS = sum(kind.evidence == "log" for kind in KINDS.values())
"""Statistical detectors of one account, which share the alert budget."""


def alert_score(kind: Kind, severity: str, evidence: float) -> float:
    """How sure an alert is, 0…20, on one scale for all kinds: about the log evidence against chance.

    A statistical kind's log e-value; a deviation's `z²/2`; for a fact, which is certain, 14 to 20 by severity.
    """
    if kind.evidence == "log":
        value = evidence
    elif kind.evidence == "deviations":
        value = evidence * evidence / 2.0
    else:
        value = 14.0 + 2.0 * ALERT_SEVERITIES.index(severity)
    return round(min(20.0, max(0.0, value)), 4)
