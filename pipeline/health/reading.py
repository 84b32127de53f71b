"""What a dimension reads of the accounts of a view, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.evidence.view import View
from pipeline.health.reach import Reach
from pipeline.scorecards.profiles import Expectations
from pipeline.terms.arrays import F64, Bools

Perspective = Literal["financial", "customer", "process", "learning"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One dimension of each account: its value in 0…1 (NaN when missing) and the figures behind it."""

    value: F64
    observed: F64
    expected: F64


@dataclass(frozen=True, slots=True)
class Expected:
    """`Expectations` as columns: of all profiles, of the accounts of a view, or one for all accounts."""

    seat_share: F64
    touches: F64
    daily_actions: F64

    @classmethod
    def of(cls, expects: Sequence[Expectations]) -> Expected:
        """One entry for each."""
        names = Expectations.__struct_fields__
        return cls(**{name: np.array([getattr(each, name) for each in expects]) for name in names})

    def at(self, places: npt.NDArray[np.integer]) -> Expected:
        """The entries at these places."""
        return Expected(self.seat_share[places], self.touches[places], self.daily_actions[places])


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything that a dimension may read."""

    view: View
    expected: Expected
    reach: Reach
    levels: Mapping[str | None, tuple[int, ...]] = field(default_factory=dict)
    """Of all accounts in use, and of segments: how many by the level of their use, where they are enough."""

    def __len__(self) -> int:
        return len(self.view)


@dataclass(frozen=True, slots=True)
class Dimension:
    """One criterion that scorecards may weigh."""

    group: str
    """Where a scorecard shows it unless it says otherwise."""
    source: str
    """The input topic that it comes from."""
    read: Callable[[Sight], Reading]
    moves: bool = False
    """Whether what is expected is the account's own past, so that the dimension can be said to be down or up."""
    leading: bool = True
    """Whether it tells of what is to come, not of what has come about."""
    objective: bool = True
    """Whether it is counted, not an opinion."""
    automated: bool = True
    """Whether it comes about without anybody filling it in."""
    perspective: Perspective = "customer"

    @property
    def tags(self) -> dict[str, str]:
        """What sort of knowledge it is, in words for reports; the total of a scorecard is none of its own."""
        if not self.source:
            return dict.fromkeys(("source", "timing", "basis", "origin", "perspective"), "")
        return {
            "source": self.source,
            "timing": "leading" if self.leading else "lagging",
            "basis": "objective" if self.objective else "subjective",
            "origin": "automated" if self.automated else "manual",
            "perspective": self.perspective,
        }


def trend(ratio: F64, present: Bools) -> F64:
    """Value of a ratio to what is usual: 1 from par on, 0 at 40 % and below."""
    return np.where(present, np.clip((ratio - 0.4) / 0.6, 0.0, 1.0), np.nan)
