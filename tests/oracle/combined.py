"""All that speaks against an account, weighed together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding
from tests.oracle.levels import FALLING, RISING, Plan, fall_evidence, rise_evidence
from tests.oracle.shares import abandonment_evidence, power_evidence

if TYPE_CHECKING:
    from tests.oracle.model import Episode
    from tests.oracle.view import View

WEIGHTS = {
    "usage_drop": 5, "users_drop": 4, "time_drop": 3, "breadth_drop": 3, "touch_drop": 2,
    "ticket_surge": 3, "severity_surge": 3, "negative_sentiment": 3, "payment_trouble": 4,
    "power_user_decline": 5, "feature_abandonment": 3,
}  # fmt: skip


def _evidence(view: View) -> dict[str, float]:
    found = dict.fromkeys(WEIGHTS, -math.inf)
    for plan in _weighed(FALLING):
        fall = fall_evidence(view, plan)
        if fall is not None:
            found[plan.kind] = fall[1]
    for plan in _weighed(RISING):
        rise = rise_evidence(view, plan)
        if rise is not None:
            found[plan.kind] = rise.evidence
    found["power_user_decline"] = power_evidence(view)
    abandonment = abandonment_evidence(view)
    if abandonment is not None:
        found["feature_abandonment"] = abandonment.evidence
    return found


def _weighed(plans: tuple[Plan, ...]) -> list[Plan]:
    return [plan for plan in plans if plan.kind in WEIGHTS]


def _speaking(found: dict[str, float]) -> int:
    return sum(1 for value in found.values() if value >= math.log(10))


def combined_evidence(view: View) -> Finding | None:
    found = _evidence(view)
    top = max(found.values())
    if top == -math.inf or _speaking(found) < 2:
        return None
    mean = sum(WEIGHTS[kind] * math.exp(value - top) for kind, value in found.items()) / sum(WEIGHTS.values())
    evidence = top + math.log(mean)
    return Finding("warning", float(_speaking(found)), 0.0, evidence) if evidence >= view.log_arl else None


def fewer_speak(view: View, episode: Episode) -> bool:
    return _speaking(_evidence(view)) < 2
