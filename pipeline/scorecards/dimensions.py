"""The table of dimensions: what a scorecard may weigh. A new one is a function and a line here."""

from __future__ import annotations

from pipeline.scorecards import product, relationship
from pipeline.scorecards.reading import Dimension

_USAGE, _BILLING, _TICKETS, _SIGNALS = "usage.events", "billing.events", "ticket.events", "customer.signals"

DIMENSIONS: dict[str, Dimension] = {
    "usage_trend": Dimension("product", _USAGE, product.usage_trend, moves=True),
    "active_users": Dimension("product", _USAGE, product.active_users, moves=True),
    "seat_utilisation": Dimension("product", _USAGE, product.seat_utilisation),
    "feature_breadth": Dimension("product", _USAGE, product.feature_breadth, moves=True),
    "support": Dimension("relationship", _TICKETS, relationship.support, perspective="process"),
    "billing": Dimension("relationship", _BILLING, relationship.billing, leading=False, perspective="financial"),
    "sentiment": Dimension("relationship", _SIGNALS, relationship.sentiment, objective=False, automated=False),
    "engagement": Dimension("relationship", _SIGNALS, relationship.engagement, automated=False),
}
