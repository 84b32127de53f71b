"""Detectors: each reads the accounts as of a closed day and says where its condition holds.

A new detector is one module with `KIND`, `DIMENSION`, `evaluate` and `cleared`, one line in a table here and one in
`pipeline.kinds.table`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pipeline.detectors import (
    advocacy,
    combined_evidence,
    dormant,
    feature_abandonment,
    levels,
    newcomers,
    p1_open,
    people,
    power_user_decline,
    quota_burn,
    ratios,
    relationship,
    renewal_at_risk,
    role_decline,
    seat_saturation,
    sentiment_gap,
    silence,
    single_user_dependence,
    user_mix_shift,
    weekly_drop,
)
from pipeline.evidence.view import Finding, View


class Detector(Protocol):
    """What a detector module offers."""

    KIND: str
    DIMENSION: str

    def evaluate(self, view: View) -> Finding:
        """Where the condition holds as of the view's day."""

    def cleared(self, view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
        """Whether an open episode of the account at `place` may count this day as recovered."""


class Dated(Protocol):
    """A detector that knows when the change began."""

    def onset(self, view: View, place: int) -> tuple[int, int, int]:
        """First day of the change and the range it may lie in, for an account that raised."""


BEFORE_SCORE: tuple[Detector, ...] = (
    *levels.BEFORE_SCORE,
    power_user_decline,
    user_mix_shift,
    role_decline,
    feature_abandonment,
    combined_evidence,
    single_user_dependence,
    silence,
    dormant,
    *ratios.DETECTORS,
    *people.DETECTORS,
    weekly_drop,
    p1_open,
    *relationship.DETECTORS,
    sentiment_gap,
)
"""Evaluated before the score of the day is known, in this order."""

AFTER_SCORE: tuple[Detector, ...] = (
    renewal_at_risk,
    seat_saturation,
    *levels.AFTER_SCORE,
    quota_burn,
    *newcomers.DETECTORS,
    *advocacy.DETECTORS,
)
"""These read the new band."""

DETECTORS = (*BEFORE_SCORE, *AFTER_SCORE)

DATED: dict[str, Dated] = {
    dated.KIND: dated for dated in (*levels.BEFORE_SCORE, *levels.AFTER_SCORE, *ratios.DETECTORS)
}

AMENDABLE: dict[str, Callable[[View], Finding]] = {
    **{level.KIND: level.evaluate_ungated for level in (*levels.BEFORE_SCORE, *levels.AFTER_SCORE)},
    power_user_decline.KIND: power_user_decline.evaluate,
    user_mix_shift.KIND: user_mix_shift.evaluate,
    feature_abandonment.KIND: feature_abandonment.evaluate,
    combined_evidence.KIND: combined_evidence.evaluate,
    silence.KIND: silence.evaluate,
    dormant.KIND: dormant.evaluate,
    **{ratio.KIND: ratio.evaluate for ratio in ratios.AMENDABLE},
    people.power_user_silent.KIND: people.power_user_silent.evaluate,
    weekly_drop.KIND: weekly_drop.evaluate,
}
"""Kinds that read day values only: late data may update or retract them as of their opening day."""
