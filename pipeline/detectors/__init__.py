"""Detectors: each reads the accounts as of a closed day and says where its condition holds.

A new detector is one module with `KIND`, `DIMENSION`, `evaluate` and `cleared`, one line in a table here and one in
`pipeline.kinds`.
"""

from __future__ import annotations

from typing import Protocol

from pipeline.detectors import (
    advocacy,
    p1_open,
    power_user_decline,
    quota_burn,
    relationship,
    renewal_at_risk,
    seat_saturation,
    sentiment_gap,
    silence,
    sustained_growth,
    ticket_surge,
    usage_drop,
)
from pipeline.detectors.view import Finding, View


class Detector(Protocol):
    """What a detector module offers."""

    KIND: str
    DIMENSION: str

    def evaluate(self, view: View) -> Finding:
        """Where the condition holds as of the view's day."""

    def cleared(self, view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
        """Whether an open episode of the account at `place` may count this day as recovered."""


BEFORE_SCORE: tuple[Detector, ...] = (
    usage_drop,
    power_user_decline,
    silence,
    ticket_surge,
    p1_open,
    *relationship.DETECTORS,
    sentiment_gap,
)
"""Evaluated before the score of the day is known, in this order."""

AFTER_SCORE: tuple[Detector, ...] = (
    renewal_at_risk,
    seat_saturation,
    sustained_growth,
    quota_burn,
    *advocacy.DETECTORS,
)
"""These read the new band."""

AMENDABLE = {
    usage_drop.KIND: usage_drop.evaluate,
    power_user_decline.KIND: power_user_decline.evaluate,
    silence.KIND: silence.evaluate,
    ticket_surge.KIND: ticket_surge.evaluate,
    sustained_growth.KIND: sustained_growth.evaluate_ungated,
}
"""Kinds that read day values only: late data may update or retract them as of their opening day."""
