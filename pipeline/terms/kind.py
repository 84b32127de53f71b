"""What a kind of alert is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.event_types import ALERT_SEVERITIES

Family = Literal["risk", "expansion", "advocacy", "data_quality", "system"]


@dataclass(frozen=True, slots=True)
class Play:
    """The next step, due so many days after detection."""

    id: str
    title: str
    days: int


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of alert. `summary` is formatted with `name`, `observed`, `expected`, `dimension` and `band`."""

    family: Family
    severity: str
    level: str
    unit: str
    direction: str
    method: str
    play: Play
    summary: str
    evidence: Literal["log", "deviations", "probability", "fact"] = "fact"
    immediate: bool = False
    calm: bool = False
    """Whether it is not raised while a risk of the account is open."""
    yields_to: tuple[str, ...] = ()
    """Kinds of the same account that, while open, keep this one from opening."""
    condition: str = ""
    """What raises it, in a customer success manager's words."""
    resolution: str = ""
    """What ends it."""


def severity_rises(old: str, new: str) -> bool:
    """Whether a severity is above another."""
    return ALERT_SEVERITIES.index(new) > ALERT_SEVERITIES.index(old)
