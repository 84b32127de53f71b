"""Daily values that fall or rise: one plan for each kind, one function for each direction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.oracle.alerts import Finding
from tests.oracle.relationship import ripe

if TYPE_CHECKING:
    from tests.oracle.level import Level
    from tests.oracle.model import Episode
    from tests.oracle.view import View

UNITS = {"actions": 1000, "duration_ds": 600}
OF_USAGE = ("actions", "duration_ds", "active_users", "active_features")


@dataclass(frozen=True)
class Plan:
    """What makes one kind."""

    kind: str
    dimension: str
    values: str
    severity: str
    ratio: float
    days: int = 7
    least: float = 0.0
    quiet_is_silence: bool = False
    family: str = "risk"
    yields_to: tuple[str, ...] = ()
    day_at_most: float = 3.0


FALLING = (
    Plan("usage_drop", "total_usage", "actions", "error", 0.85, quiet_is_silence=True),
    Plan(
        "users_drop", "daily_users", "active_users", "error", 0.85,
        quiet_is_silence=True, yields_to=("usage_drop", "silence"), day_at_most=2.0,
    ),
    Plan(
        "time_drop", "time_in_product", "duration_ds", "warning", 0.85,
        quiet_is_silence=True, yields_to=("usage_drop", "users_drop", "silence"),
    ),
    Plan(
        "breadth_drop", "daily_features", "active_features", "warning", 0.85,
        quiet_is_silence=True, yields_to=("usage_drop", "users_drop", "silence"),
    ),
    Plan("touch_drop", "touches", "touches", "warning", 0.5, days=28),
)  # fmt: skip
RISING = (
    Plan("ticket_surge", "tickets", "tickets_opened", "warning", 1.5, least=4),
    Plan("severity_surge", "ticket_severity", "severity_points", "warning", 1.5, least=8, yields_to=("ticket_surge",)),
    Plan("negative_sentiment", "ticket_sentiment", "complaints", "warning", 1.5, least=3, yields_to=("ticket_surge",)),
    Plan("payment_trouble", "payments", "payment_troubles", "error", 1.5, least=2),
)
GROWING = (Plan("users_growth", "daily_users", "active_users", "info", 1.3, days=28, family="expansion"),)


class Values:
    """One account's values of a plan, in its unit, and what is expected of them."""

    def __init__(self, view: View, plan: Plan) -> None:
        self._table: dict[int, int] = getattr(view.account, plan.values)
        self._unit = UNITS.get(plan.values, 1)
        self._day = view.day
        first = view.account.first_usage_day if plan.values in OF_USAGE else view.account.first_day
        self.age = 0 if first is None else view.day - first + 1
        prior = view.prior_daily_actions if plan.values == "actions" else None
        self.level: Level | None = view.learn(self.at, of_usage=plan.values in OF_USAGE, prior=prior)
        self._view = view

    def at(self, day: int) -> float:
        return self._table.get(day, 0) / self._unit

    def expected(self, day: int) -> float:
        """Return `μ` of the day."""
        return self.level.usual(day) * self._view.factor(day) if self.level else 0.0

    def expected_of_last(self, days: int) -> float:
        return sum(self.expected(x) for x in range(self._day - days + 1, self._day + 1))

    def counted(self, days: int) -> float:
        """Sum up the last days of which anything is expected."""
        some = [x for x in range(self._day - days + 1, self._day + 1) if self._view.factor(x) > 0]
        return sum(self._table.get(x, 0) for x in some) / self._unit

    def last(self, days: int, back: int = 0) -> float:
        until = self._day - back
        return sum(self._table.get(x, 0) for x in range(until - days + 1, until + 1)) / self._unit


def falls(view: View, plan: Plan) -> Finding | None:
    """Evaluate a falling kind."""
    found = fall_evidence(view, plan)
    return None if found is None or found[1] < view.log_arl else found[0]


def fall_evidence(view: View, plan: Plan) -> tuple[Finding, float] | None:
    """Where a value is low: the finding with the day's evidence, and the lower of the last two days' evidence."""
    values = Values(view, plan)
    level = values.level
    if level is None or level.mean <= 0:
        return None
    observed = values.counted(plan.days)
    expected = values.expected_of_last(plan.days)
    if observed >= plan.ratio * expected or observed >= plan.ratio * plan.days * level.mean:
        return None
    if plan.quiet_is_silence and observed == 0:
        return None
    days = fall_of_days(view, plan, values)
    evidence = [-math.inf, -math.inf]
    sums = [0.0, 0.0, 0.0]
    for x, log_es in days.items():
        if level.safe_share * values.expected(x) > 0:
            sums = [(1 + s) * math.exp(log_e) for s, log_e in zip(sums, log_es, strict=True)]
        evidence.append(_log(sum(sums) / 3))
    return Finding(plan.severity, observed, expected, evidence[-1], onset(days)), min(evidence[-2:])


def fall_of_days(view: View, plan: Plan, values: Values) -> dict[int, list[float]]:
    """Return the log e-values of the days that are judged, one for each ratio; 0 of days that say nothing."""
    level = values.level
    days: dict[int, list[float]] = {}
    assert level is not None
    phi = level.dispersion
    for x in range(view.day - level.lag + 1, view.day + 1):
        safe, days[x] = level.safe_share * values.expected(x), [0.0] * 3
        for k, rho in enumerate((0.8, 0.6, 0.3) if safe > 0 else ()):
            theta = -math.log(rho) / phi
            log_mean = safe / (phi - 1) * math.log(phi - (phi - 1) * math.exp(-theta))
            days[x][k] = min(plan.day_at_most if values.at(x) > 0 else 1.0, -theta * values.at(x) + log_mean)
    return days


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def onset(days: dict[int, list[float]]) -> tuple[int, int, int]:
    """Return the day from which on the evidence is the most, and the first and last that come within 2 of it."""
    since = {
        first: max(sum(day[k] for x, day in days.items() if x >= first) for k in range(len(days[first])))
        for first in days
    }
    best = max(since, key=lambda first: (since[first], first))
    near = [first for first, support in since.items() if support >= since[best] - 2 - 1e-9]
    return best, min(near), max(near)


def has_risen_back(view: View, plan: Plan, episode: Episode) -> bool:
    """Tell whether a fallen value is back."""
    return Values(view, plan).counted(plan.days) >= 0.85 * episode.expected


def rises(view: View, plan: Plan) -> Finding | None:
    """Evaluate a rising kind, without the band."""
    found = rise_evidence(view, plan)
    return None if found is None or found.evidence < view.log_arl else found


def rise_evidence(view: View, plan: Plan) -> Finding | None:
    """Where a value is high: the finding with the day's evidence."""
    values = Values(view, plan)
    level = values.level
    steady = plan.family == "expansion"
    if level is None or values.age < (84 if steady else 56):
        return None
    observed, expected = values.last(plan.days), plan.days * level.mean
    if observed <= 0 or observed < max(plan.least, plan.ratio * expected, 0):
        return None
    if observed <= expected + math.sqrt(expected) + 1:
        return None
    if steady and (level.mean <= 0 or any(values.last(7, 7 * week) < 7 * level.mean for week in range(4))):
        return None
    days = rise_of_days(view, plan, values)
    sums = [0.0] * 4
    for log_es in days.values():
        sums = [(1 + s) * math.exp(log_e) for s, log_e in zip(sums, log_es, strict=True)]
    return Finding(plan.severity, observed, expected, _log(sum(sums) / 4), onset(days))


def rise_of_days(view: View, plan: Plan, values: Values) -> dict[int, list[float]]:
    """Return the log e-values of the days that are judged, one for each ratio."""
    level = values.level
    days: dict[int, list[float]] = {}
    assert level is not None
    phi = level.rise_dispersion
    live, most = (28, 1.9) if plan.family == "expansion" else (7, 4.0)
    for x in range(view.day - live + 1, view.day + 1):
        days[x] = []
        for rho in (1.5, 2.0, 4.0, 16.0):
            q = (1 + rho * (phi - 1)) / phi
            log_e = values.at(x) * math.log(rho / q) - level.high(x) * math.log(q) / (phi - 1)
            days[x].append(min(most, log_e))
    return days


def rises_if_ripe(view: View, plan: Plan) -> Finding | None:
    """Evaluate a kind of growth, which is of use only where more may be offered."""
    return rises(view, plan) if ripe(view) else None


def has_fallen_back(view: View, plan: Plan, episode: Episode) -> bool:
    """Tell whether a risen value is back."""
    now = Values(view, plan).last(plan.days)
    if plan.family == "expansion":
        return now < 1.1 * episode.expected
    return now <= episode.expected + math.sqrt(episode.expected) + 1
