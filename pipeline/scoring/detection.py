"""Recall, early recall and false alarms per account-quarter on a weekly axis, against alerts at random.

A churn is found by an alert from 13 weeks before its week to 4 weeks after, early if not after; a contraction or
expansion from 4 weeks before to 6 after. An alert on a watched account is false unless it lies between 26 weeks
before a churn and the end of the silence, or between 4 weeks before and 13 after a shift of its direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pipeline.scoring.chance import random_recall, skill
from pipeline.scoring.judged import Alert, Outcome
from pipeline.scoring.panel import Panel
from pipeline.scoring.protocol import Protocol

WEEKS_PER_QUARTER = 13


@dataclass(frozen=True, slots=True)
class Detection:
    """The figures of one direction; None where there is nothing to divide by."""

    churns: int
    churn_recall: float | None
    churn_recall_early: float | None
    churn_lead_weeks: float | None
    """Median of the first alert of each churn found; negative after it."""
    shifts: int
    """Contractions, or expansions."""
    shift_recall: float | None
    alerts: int
    """On watched accounts, those within the cool-down after another left out."""
    unwatched_alerts: int
    false_alarms: int
    false_alarms_per_account_quarter: float | None
    account_quarters: float
    precision: float | None
    """Share of the alerts that are not false."""
    random_churn_recall: float | None
    """Of random alerts that cost as many false alarms."""
    random_churn_recall_early: float | None
    random_shift_recall: float | None
    churn_skill: float | None
    churn_early_skill: float | None
    shift_skill: float | None


class Detecting:
    """Sets the alerts of one direction against its outcomes."""

    def __init__(self, outcomes: Sequence[Outcome], panel: Panel, protocol: Protocol) -> None:
        self._panel = panel
        self._protocol = protocol
        self._churns = [each for each in outcomes if each.kind == "churned"]
        self._shifts = [each for each in outcomes if each.kind != "churned"]
        self._spared: dict[str, set[int]] = {}
        for each in self._churns:
            self._spare(each, protocol.neutral_before_weeks, protocol.silent_weeks + 1)
        for each in self._shifts:
            self._spare(each, protocol.shift_before_weeks, protocol.shift_neutral_weeks)

    def figures(self, firsts: Sequence[Alert]) -> Detection:
        """The figures of these alerts, the first of each run."""
        of_account: dict[str, list[int]] = {}
        for alert in firsts:
            if self._panel.is_watched(alert["account_id"], alert["detected_at"]):
                week = self._panel.week_of(alert["detected_at"])
                of_account.setdefault(alert["account_id"], []).append(week)
        alerts = sum(map(len, of_account.values()))
        false = sum(
            week not in self._spared.get(account_id, ()) for account_id, weeks in of_account.items() for week in weeks
        )
        protocol = self._protocol
        churn = protocol.churn_before_weeks, protocol.churn_after_weeks
        early = protocol.churn_before_weeks, 0
        shift = protocol.shift_before_weeks, protocol.shift_after_weeks
        hits = [self._hits(each, of_account, *churn) for each in self._churns]
        leads = [self._panel.week_of(each.at_ms) - hit[0] for each, hit in zip(self._churns, hits, strict=True) if hit]
        rate = false / costly if (costly := self._costly_weeks()) else 0.0
        recall = _share([bool(hit) for hit in hits])
        recall_early = _share([bool(self._hits(each, of_account, *early)) for each in self._churns])
        shift_recall = _share([bool(self._hits(each, of_account, *shift)) for each in self._shifts])
        random, random_early = (self._random(rate, self._churns, *window) for window in (churn, early))
        random_shift = self._random(rate, self._shifts, *shift)
        quarters = self._panel.account_weeks / WEEKS_PER_QUARTER
        return Detection(
            churns=len(self._churns),
            churn_recall=recall,
            churn_recall_early=recall_early,
            churn_lead_weeks=median(leads) if leads else None,
            shifts=len(self._shifts),
            shift_recall=shift_recall,
            alerts=alerts,
            unwatched_alerts=len(firsts) - alerts,
            false_alarms=false,
            false_alarms_per_account_quarter=false / quarters if quarters else None,
            account_quarters=quarters,
            precision=1 - false / alerts if alerts else None,
            random_churn_recall=random,
            random_churn_recall_early=random_early,
            random_shift_recall=random_shift,
            churn_skill=skill(recall, random),
            churn_early_skill=skill(recall_early, random_early),
            shift_skill=skill(shift_recall, random_shift),
        )

    def _spare(self, outcome: Outcome, before: int, after: int) -> None:
        week = self._panel.week_of(outcome.at_ms)
        self._spared.setdefault(outcome.account_id, set()).update(range(week - before, week + after + 1))

    def _hits(self, outcome: Outcome, of_account: dict[str, list[int]], before: int, after: int) -> list[int]:
        week = self._panel.week_of(outcome.at_ms)
        return [at for at in of_account.get(outcome.account_id, []) if week - before <= at <= week + after]

    def _costly_weeks(self) -> int:
        """Watched account-weeks in which an alert is false."""
        spared = sum(
            self._panel.watched_weeks(account_id, week - 1, week)
            for account_id, weeks in self._spared.items()
            for week in weeks
        )
        return self._panel.account_weeks - spared

    def _random(self, rate: float, outcomes: Sequence[Outcome], before: int, after: int) -> float | None:
        weeks = [self._panel.week_of(each.at_ms) for each in outcomes]
        windows = [
            self._panel.watched_weeks(each.account_id, week - before - 1, week + after)
            for each, week in zip(outcomes, weeks, strict=True)
        ]
        return random_recall(rate, windows, self._protocol.cool_weeks)


def _share(found: Sequence[bool]) -> float | None:
    return sum(found) / len(found) if found else None
