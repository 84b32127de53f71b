"""A scorecard as data: which dimensions it weighs, and which bands follow from the total."""

from __future__ import annotations

import msgspec

from pipeline.scorecards.bands import BandRule

NESTED = "scorecard:"
"""A criterion named so is the total of another scorecard."""
MAX_CRITERIA = 32
"""Of one scorecard; so many values a standing remembers."""


class Criterion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dimension of a scorecard; without a group of its own it stands in the dimension's."""

    dimension: str
    weight: int
    group: str = ""


class Scorecard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights from 1 to 5, a total of 100, bands.

    `shadow`: its alerts go to `alerts.shadow` and nowhere else.
    """

    id: str
    version: int
    criteria: tuple[Criterion, ...]
    bands: BandRule = BandRule()
    shadow: bool = False

    @property
    def total_weight(self) -> int:
        """Weight of all criteria, present or not."""
        return sum(criterion.weight for criterion in self.criteria)

    @property
    def nested(self) -> tuple[str, ...]:
        """Ids of the scorecards whose totals are criteria."""
        names = (criterion.dimension for criterion in self.criteria)
        return tuple(name.removeprefix(NESTED) for name in names if name.startswith(NESTED))
