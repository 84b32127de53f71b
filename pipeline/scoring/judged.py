"""Outcomes of accounts, warnings, and what each warning was followed by."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.scoring.panel import Panel
from pipeline.scoring.protocol import WEEK_MS, Protocol
from schemas.topics import DAY_MS

Alert = Mapping[str, Any]


class Verdict(StrEnum):
    """What a warning was followed by."""

    HIT = "hit"
    """An outcome of its account within the window."""
    LATE = "late"
    """An outcome so near, or just past, that nothing could be done any more."""
    NEUTRAL = "neutral"
    """Too long before an outcome, or in its aftermath, to be called right or wrong."""
    PENDING = "pending"
    """The input ends before the window does."""
    UNWATCHED = "unwatched"
    """The account had too little history, or had been silent for long."""
    FALSE = "false"
    """Nothing came of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Something that happened to an account and should have been foreseen."""

    account_id: str
    kind: str
    at_ms: int
    worth_minor: int | None = None
    """Annual recurring revenue before it happened; None where it is in another currency than that of most."""
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """The first alert of a run of alerts on one account."""

    alert: Alert
    verdict: Verdict
    lead_days: float | None = None
    """To the outcome it was followed by; negative after it."""

    @property
    def account_id(self) -> str:
        """Whom it is about."""
        return str(self.alert["account_id"])

    @property
    def at_ms(self) -> int:
        """Event time of the decision."""
        return int(self.alert["detected_at"])


def by_account(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Outcomes of each account in order of time."""
    found: dict[str, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda each: each.at_ms):
        found.setdefault(outcome.account_id, []).append(outcome)
    return found


def first_of_runs(alerts: Iterable[Alert], panel: Panel, protocol: Protocol) -> list[Alert]:
    """Without the alerts that came within the cool-down after one that is kept; in order of detection."""
    kept: list[Alert] = []
    last_week: dict[str, int] = {}
    for alert in sorted(alerts, key=lambda each: (each["detected_at"], each["alert_id"])):
        week, account_id = panel.week_of(alert["detected_at"]), alert["account_id"]
        if account_id not in last_week or week - last_week[account_id] > protocol.cool_weeks:
            kept.append(alert)
            last_week[account_id] = week
    return kept


def judge(alerts: Sequence[Alert], outcomes: Sequence[Outcome], panel: Panel, protocol: Protocol) -> list[Warned]:
    """A verdict on each alert; give the first of each run, or all alerts of one kind."""
    of_account = by_account(outcomes)
    times = {account_id: [each.at_ms for each in known] for account_id, known in of_account.items()}
    return [
        _judged(alert, of_account.get(alert["account_id"], []), times.get(alert["account_id"], []), panel, protocol)
        for alert in alerts
    ]


def _judged(alert: Alert, known: list[Outcome], times: list[int], panel: Panel, protocol: Protocol) -> Warned:
    at_ms = alert["detected_at"]
    following = bisect_left(times, at_ms)
    leads = [(time - at_ms) / DAY_MS for time in times[following:]]
    near = [lead for lead in leads if lead <= protocol.longest_lead_days]
    hits = [lead for lead in near if lead >= protocol.shortest_lead_days]
    if near:
        return Warned(alert, Verdict.HIT, hits[0]) if hits else Warned(alert, Verdict.LATE, near[0])
    if following:
        before = known[following - 1]
        weeks = (at_ms - before.at_ms) / WEEK_MS
        if weeks <= _late_weeks(before, protocol):
            return Warned(alert, Verdict.LATE, -7 * weeks)
        if weeks <= _aftermath_weeks(before, protocol):
            return Warned(alert, Verdict.NEUTRAL)
    return Warned(alert, _without_outcome(alert, leads, panel, protocol))


def _without_outcome(alert: Alert, leads: Sequence[float], panel: Panel, protocol: Protocol) -> Verdict:
    """The verdict on an alert that no outcome is near, given the days to later ones."""
    if leads and leads[0] <= 7 * protocol.neutral_before_weeks:
        return Verdict.NEUTRAL
    if alert["detected_at"] > panel.end_ms - protocol.pending_days * DAY_MS:
        return Verdict.PENDING
    watched = panel.is_watched(alert["account_id"], alert["detected_at"])
    return Verdict.FALSE if watched else Verdict.UNWATCHED


def _late_weeks(outcome: Outcome, protocol: Protocol) -> int:
    return protocol.churn_after_weeks if outcome.kind == "churned" else protocol.shift_after_weeks


def _aftermath_weeks(outcome: Outcome, protocol: Protocol) -> int:
    return protocol.silent_weeks if outcome.kind == "churned" else protocol.shift_neutral_weeks
