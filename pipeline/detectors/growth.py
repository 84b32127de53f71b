"""More than usual for weeks: usage and users that keep growing."""

from __future__ import annotations

from pipeline.detectors.levels import LevelDetector
from pipeline.detectors.trends import Trend
from pipeline.terms.kind import USERS_UP, Kind, Play

sustained_growth = Trend(
    Kind(
        name="sustained_growth",
        dimension="total_usage",
        scope="other",
        family="expansion",
        severity="info",
        level="intermediate",
        unit="actions",
        direction="up",
        method="fleet-rank",
        evidence="deviations",
        ranked=True,
        fade_days=28,
        amended=True,
        contributors=(USERS_UP,),
        play=Play("growth-talk", "Ask what drives the growth and what it needs", 14),
        summary="{name}: usage grew from {expected:.0f} to {observed:.0f} actions in four weeks",
        condition="four weeks are a third above the own level, as in few accounts; health is not red, nothing was "
        "bought lately",
        resolution="growth is over, or an expansion is realised",
    ),
    pane="actions",
    ratio=1.3,
    days=28,
    steady=True,
    gated=True,
    recovered=1.1,
)
users_growth = LevelDetector(
    Kind(
        name="users_growth",
        dimension="daily_users",
        scope="other",
        family="expansion",
        severity="info",
        level="intermediate",
        unit="users",
        direction="up",
        method="nb-esr",
        evidence="log",
        stream=True,
        amended=True,
        contributors=(USERS_UP,),
        play=Play("seat-offer", "Ask who joined and whether seats suffice", 14),
        summary="{name}: user-days grew from {expected:.0f} to {observed:.0f} in four weeks",
        condition="user-days surely grew over weeks, health is not red, nothing was bought lately",
        resolution="growth is over, or an expansion is realised",
    ),
    pane="active_users",
    ratio=1.3,
    days=28,
    steady=True,
    gated=True,
    recovered=1.1,
)
