"""Recall and precision by how long before an outcome the warning came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.scoring.chance import lift, random_recall, skill
from pipeline.scoring.judged import Outcome, Verdict, Warned
from pipeline.scoring.panel import Panel
from pipeline.scoring.protocol import LEADS_DAYS, Protocol
from schemas.topics import DAY_MS

JUDGED = frozenset({Verdict.HIT, Verdict.LATE, Verdict.FALSE})
"""Verdicts that say something about a warning's worth."""
_CURVE_STEP_DAYS = 5


@dataclass(frozen=True, slots=True)
class AtLead:
    """What was foreseen at least so many days before; shares are None where there is nothing to divide by."""

    lead_days: int
    outcomes: int
    foreseen: int
    recall: float | None
    recall_by_worth: float | None
    """Weighted by annual recurring revenue, over the outcomes that have it."""
    warnings: int
    """Warnings that were judged."""
    precision: float | None
    """Share of them that came so long before an outcome."""
    random_recall: float | None
    """Of as many warnings at random."""
    lift: float | None
    skill: float | None


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One point of the lead-time curve."""

    lead_days: int
    recall: float | None
    random_recall: float | None


class LeadTimes:
    """Outcomes with the longest lead at which each was foreseen."""

    def __init__(self, outcomes: Sequence[Outcome], warned: Sequence[Warned], panel: Panel, protocol: Protocol) -> None:
        self.outcomes = outcomes
        self._warned = warned
        self._panel = panel
        self._protocol = protocol
        of_account: dict[str, list[int]] = {}
        for warning in warned:
            of_account.setdefault(warning.account_id, []).append(warning.at_ms)
        self.leads = [self._longest(outcome, of_account.get(outcome.account_id, [])) for outcome in outcomes]
        watched = sum(panel.is_watched(each.account_id, each.at_ms) for each in warned)
        self.rate = watched / panel.account_weeks if panel.account_weeks else 0.0
        """Warnings per watched account-week."""

    def at(self, lead_days: int) -> AtLead:
        """The figures of one lead time."""
        found = [lead is not None and lead >= lead_days for lead in self.leads]
        worth = [outcome.worth_minor or 0 for outcome in self.outcomes]
        judged = [each for each in self._warned if each.verdict in JUDGED]
        early = sum(each.verdict is Verdict.HIT and (each.lead_days or 0) >= lead_days for each in judged)
        recall = sum(found) / len(found) if found else None
        random = self.random_recall(lead_days)
        return AtLead(
            lead_days=lead_days,
            outcomes=len(found),
            foreseen=sum(found),
            recall=recall,
            recall_by_worth=_weighted(found, worth),
            warnings=len(judged),
            precision=early / len(judged) if judged else None,
            random_recall=random,
            lift=lift(recall, random),
            skill=skill(recall, random),
        )

    def table(self) -> list[AtLead]:
        """The figures of every lead time that is asked for."""
        return [self.at(lead_days) for lead_days in LEADS_DAYS]

    def curve(self) -> list[CurvePoint]:
        """Recall over the least lead time."""
        points = []
        for lead_days in range(0, self._protocol.longest_lead_days + 1, _CURVE_STEP_DAYS):
            found = sum(lead is not None and lead >= lead_days for lead in self.leads)
            recall = found / len(self.leads) if self.leads else None
            points.append(CurvePoint(lead_days, recall, self.random_recall(lead_days)))
        return points

    def random_recall(self, lead_days: int) -> float | None:
        """Recall of as many warnings at random."""
        windows = [self._window_weeks(outcome, lead_days) for outcome in self.outcomes]
        return random_recall(self.rate, windows, self._protocol.cool_weeks)

    def _longest(self, outcome: Outcome, times_ms: Sequence[int]) -> float | None:
        leads = [(outcome.at_ms - at_ms) / DAY_MS for at_ms in times_ms]
        return max((lead for lead in leads if 0 <= lead <= self._protocol.longest_lead_days), default=None)

    def _window_weeks(self, outcome: Outcome, lead_days: int) -> int:
        longest_ms = outcome.at_ms - self._protocol.longest_lead_days * DAY_MS
        first, last = (self._panel.week_of(at) for at in (longest_ms, outcome.at_ms - lead_days * DAY_MS))
        # An alert of a week needs the week before.
        return self._panel.watched_weeks(outcome.account_id, first - 1, last)


def _weighted(found: Sequence[bool], worth: Sequence[int]) -> float | None:
    total = sum(worth)
    return sum(value for hit, value in zip(found, worth, strict=True) if hit) / total if total > 0 else None
