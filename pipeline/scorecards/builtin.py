"""The scorecards that exist without configuration."""

from __future__ import annotations

from pipeline.scorecards.card import Criterion, Scorecard

DEFAULT = Scorecard(
    "default",
    1,
    (
        Criterion("usage_trend", 5),
        Criterion("active_users", 4),
        Criterion("seat_utilisation", 3),
        Criterion("feature_breadth", 3),
        Criterion("support", 4),
        Criterion("billing", 5),
        Criterion("sentiment", 3),
        Criterion("engagement", 2),
    ),
)

BUILTIN: dict[str, Scorecard] = {card.id: card for card in (DEFAULT,)}
