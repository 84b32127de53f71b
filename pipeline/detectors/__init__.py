"""Detectors: each reads the accounts as of a closed day and says where its condition holds.

A new detector is one module, with the declaration of its kind, and one line in a table here.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pipeline.detectors import (
    advocacy,
    capacity,
    drops,
    growth,
    identity,
    newcomers,
    people,
    power_users,
    ratios,
    relationship,
    renewal_at_risk,
    sentiment_gap,
    shares,
    silence,
    trouble,
    unnamed,
)
from pipeline.detectors.combined_evidence import CombinedEvidence
from pipeline.detectors.won_back import won_back
from pipeline.evidence.view import Finding, View
from pipeline.terms.arrays import Bools
from pipeline.terms.kind import Kind, Severity


class Detector(Protocol):
    """What a detector offers: an object, or a module."""

    KIND: Kind

    def evaluate(self, view: View) -> Finding:
        """Where the condition holds as of the view's day."""

    def cleared(self, view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
        """Whether an open episode of the account at `place` may count this day as recovered."""


@runtime_checkable
class Dated(Protocol):
    """A detector that knows when the change began."""

    def onset(self, view: View, place: int) -> tuple[int, int, int]:
        """First day of the change and the range it may lie in, for an account that raised."""


@runtime_checkable
class Graded(Protocol):
    """A detector that finds better and worse cases."""

    def severity(self, view: View, place: int) -> Severity:
        """Severity of an account that raised."""


@runtime_checkable
class Ranking(Detector, Protocol):
    """A detector of a ranked kind."""

    def at_stake(self, view: View) -> Bools:
        """Accounts that count in the rate of its alarms."""


_WEIGHED: tuple[Detector, ...] = (
    drops.usage_drop,
    drops.users_drop,
    drops.time_drop,
    drops.breadth_drop,
    drops.touch_drop,
    trouble.ticket_surge,
    trouble.severity_surge,
    trouble.negative_sentiment,
    trouble.payment_trouble,
    power_users.power_user_decline,
    power_users.user_mix_shift,
    shares.role_decline,
    shares.feature_abandonment,
)
"""Evaluated before the combined evidence, which weighs those of them that have a weight."""

COMBINED = CombinedEvidence(_WEIGHED)

BEFORE_SCORE: tuple[Detector, ...] = (
    unnamed.users_unnamed,
    *_WEIGHED,
    COMBINED,
    identity.identity_changed,
    power_users.single_user_dependence,
    silence,
    drops.usage_decline,
    *ratios.DETECTORS,
    *people.DETECTORS,
    drops.weekly_drop,
    trouble.p1_open,
    *relationship.DETECTORS,
    sentiment_gap,
)
"""Evaluated before the score of the day is known, in this order."""

AFTER_SCORE: tuple[Detector, ...] = (
    renewal_at_risk,
    capacity.seat_saturation,
    growth.sustained_growth,
    growth.users_growth,
    capacity.quota_burn,
    *newcomers.DETECTORS,
    *advocacy.DETECTORS,
    won_back,
)
"""These read the new band."""

DETECTORS = (*BEFORE_SCORE, *AFTER_SCORE)

RANKED = tuple(detector for detector in DETECTORS if isinstance(detector, Ranking))
