"""The scorecards that exist without configuration."""

from __future__ import annotations

from pipeline.scorecards.bands import BandRule
from pipeline.scorecards.card import Criterion, Scorecard

DEFAULT = Scorecard(
    "default",
    3,
    (
        Criterion("usage_trend", 5),
        Criterion("active_weeks", 4),
        Criterion("usage_level", 3),
        Criterion("active_users", 4),
        Criterion("seat_utilisation", 3),
        Criterion("feature_breadth", 3),
        Criterion("power_users", 4),
        Criterion("support", 4),
        Criterion("billing", 5),
        Criterion("contract", 3),
        Criterion("sentiment", 3),
        Criterion("engagement", 2),
        Criterion("attendance", 1),
        Criterion("commitments", 2),
        Criterion("sponsor", 2),
        Criterion("champion", 1),
    ),
    # The weeks that are used, and how much, have to be enough: all else is more than most customers tell of.
    BandRule(min_coverage=0.1),
)

ONBOARDING = Scorecard(
    "onboarding",
    1,
    (
        Criterion("first_use", 5),
        Criterion("milestones", 5),
        Criterion("seats_activated", 4),
        Criterion("feature_adoption", 3),
        Criterion("sponsor", 2),
        Criterion("attendance", 2),
    ),
    BandRule(red_below=30.0, red_until=40.0),
)

ADOPTION = Scorecard(
    "adoption",
    1,
    (
        Criterion("feature_adoption", 5),
        Criterion("feature_breadth", 3),
        Criterion("seat_utilisation", 4),
        Criterion("active_users", 3),
        Criterion("integrations", 2),
    ),
)

REFERENCEABILITY = Scorecard(
    "referenceability",
    1,
    (
        Criterion("survey", 5),
        Criterion("reference", 4),
        Criterion("outcomes", 3),
        Criterion("usage_trend", 3),
        Criterion("support", 2),
        Criterion("billing", 2),
        Criterion("sponsor", 2),
    ),
)

BUILTIN: dict[str, Scorecard] = {card.id: card for card in (DEFAULT, ONBOARDING, ADOPTION, REFERENCEABILITY)}
