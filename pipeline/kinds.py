"""Every kind of alert, collected from where each is declared: beside its detector, its rule, its judgement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from pipeline.config import EngineConfig
from pipeline.detectors import DETECTORS
from pipeline.fleet.alerts import FLEET_KINDS
from pipeline.health.kinds import HEALTH_KINDS
from pipeline.rules import RULES
from pipeline.terms.kind import Kind, Level, Play

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (*(detector.KIND for detector in DETECTORS), *HEALTH_KINDS, *FLEET_KINDS, *RULES)
}
"""By name."""

_RETIRED = (
    Kind(
        name="dormant",
        dimension="weekly_activity",
        scope="usage",
        family="risk",
        severity="warning",
        level="intermediate",
        unit="days",
        direction="up",
        method="beta-geometric",
        evidence="probability",
        retired=True,
        play=Play("reach-out", "Ask whether the product is still in use", 5),
        summary="{name}: no activity for {observed:.0f} days; a week of use every {expected:.0f} days before",
        condition="of older releases; now `silence`",
        resolution="the next close",
    ),
)

KNOWN = KINDS | {kind.name: kind for kind in _RETIRED}
"""Those of which older state may hold open alerts, too."""

LEVELS: tuple[Level, ...] = get_args(Level)
"""How demanding a kind is, in rising order."""


def enabled_by_level(config: EngineConfig) -> dict[str, int]:
    """Number of kinds of each level that are not off."""
    levels = [kind.level for kind in KINDS.values() if not config.is_off(kind)]
    return {level: levels.count(level) for level in LEVELS}


def require_known(names: Iterable[str]) -> None:
    """Raises `ValueError` when there are no kinds of some names."""
    if unknown := [name for name in names if name not in KINDS]:
        raise ValueError(f"there are no kinds of alert called {', '.join(unknown)}")
