"""The table of dimensions: what a scorecard may weigh. A new one is a function and a line here."""

from __future__ import annotations

from functools import cache

from pipeline.health import product, relationship
from pipeline.health.reading import Dimension, Reading, Sight
from pipeline.scorecards.card import NESTED

USAGE = "usage.events"
_BILLING, _TICKETS, _SIGNALS = "billing.events", "ticket.events", "customer.signals"

DIMENSIONS: dict[str, Dimension] = {
    "usage_trend": Dimension("product", USAGE, product.usage_trend, moves=True),
    "active_users": Dimension("product", USAGE, product.active_users, moves=True),
    "seat_utilisation": Dimension("product", USAGE, product.seat_utilisation),
    "feature_breadth": Dimension("product", USAGE, product.feature_breadth, moves=True),
    "power_users": Dimension("product", USAGE, product.power_users, moves=True),
    "support": Dimension("relationship", _TICKETS, relationship.support, perspective="process"),
    "billing": Dimension("relationship", _BILLING, relationship.billing, leading=False, perspective="financial"),
    "contract": Dimension("relationship", _BILLING, relationship.contract, leading=False, perspective="financial"),
    "sentiment": Dimension("relationship", _SIGNALS, relationship.sentiment, objective=False, automated=False),
    "engagement": Dimension("relationship", _SIGNALS, relationship.engagement, automated=False),
    "first_use": Dimension("product", USAGE, product.first_use, perspective="learning"),
    "adoption_ladder": Dimension("product", USAGE, product.adoption_ladder, perspective="learning"),
    "seats_activated": Dimension("product", USAGE, product.seats_activated, perspective="learning"),
    "feature_adoption": Dimension("product", USAGE, product.feature_adoption, perspective="learning"),
    "pulse": Dimension("relationship", _SIGNALS, relationship.pulse, objective=False, automated=False),
    "survey": Dimension("relationship", _SIGNALS, relationship.survey, leading=False, objective=False),
    "support_quality": Dimension(
        "relationship",
        _SIGNALS,
        relationship.support_quality,
        objective=False,
        automated=False,
        perspective="process",
    ),
    "milestones": Dimension("product", _SIGNALS, relationship.share("milestones"), perspective="learning"),
    "outcomes": Dimension(
        "relationship",
        _SIGNALS,
        relationship.share("outcomes"),
        leading=False,
        automated=False,
        perspective="financial",
    ),
    "sponsor": Dimension("relationship", _SIGNALS, relationship.share("sponsor"), automated=False),
    "champion": Dimension("relationship", _SIGNALS, relationship.share("champion_there"), automated=False),
    "commitments": Dimension("relationship", _SIGNALS, relationship.commitments, perspective="learning"),
    "attendance": Dimension("relationship", _SIGNALS, relationship.share("attendance"), automated=False),
    "integrations": Dimension("product", _SIGNALS, relationship.share("integrations"), perspective="process"),
    "reference": Dimension("relationship", _SIGNALS, relationship.reference, leading=False, automated=False),
}

FEATURE = "feature:"
"""A criterion named so is the adoption of one feature."""


@cache
def dimension_of(name: str) -> Dimension:
    """What a criterion's dimension is. Raises `KeyError` for a name that is none."""
    if name.startswith(FEATURE) and len(name) > len(FEATURE):
        return Dimension("product", USAGE, product.feature(name.removeprefix(FEATURE)), perspective="learning")
    return NESTED_TOTAL if name.startswith(NESTED) else DIMENSIONS[name]


def _not_read(sight: Sight) -> Reading:
    raise TypeError("the total of a scorecard is taken from its score")


NESTED_TOTAL = Dimension("total", "", _not_read)
