"""What each kind of alert is worth on its own, and whether surer alerts are right more often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pipeline.portfolio.surveys import wilson
from pipeline.scoring.judged import Alert, Outcome, Verdict, judge
from pipeline.scoring.leadtime import JUDGED
from pipeline.scoring.panel import Panel
from pipeline.scoring.protocol import Protocol
from schemas.topics import DAY_MS

_SCORE_STEP = 2


@dataclass(frozen=True, slots=True)
class OfKind:
    """The alerts of one kind, without any other."""

    kind: str
    alerts: int
    """All openings, however near to one another."""
    hits: int
    late: int
    false: int
    precision: float | None
    foreseen: int
    """Outcomes that had one of them early enough."""
    alone: int
    """Of these, those that had no alert of another kind early enough."""
    median_lead_days: float | None


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Alerts whose score is in `[low, high)`, and how many of them an outcome followed."""

    low: float
    high: float
    alerts: int
    hits: int
    rate: float | None
    rate_low: float | None
    rate_high: float | None


def by_kind(alerts: Sequence[Alert], outcomes: Sequence[Outcome], panel: Panel, protocol: Protocol) -> list[OfKind]:
    """Figures of every kind, most frequent first."""
    of_kind: dict[str, list[Alert]] = {}
    for alert in alerts:
        of_kind.setdefault(alert["kind"], []).append(alert)
    finders = _finders(alerts, outcomes, protocol)
    return [
        _of_kind(kind, found, outcomes, panel, protocol, finders)
        for kind, found in sorted(of_kind.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def reliability(
    alerts: Sequence[Alert], outcomes: Sequence[Outcome], panel: Panel, protocol: Protocol
) -> list[ScoreBin]:
    """How often alerts of each score were followed by an outcome, with Wilson intervals; empty bins left out."""
    counts: dict[int, list[int]] = {}
    for warned in judge(alerts, outcomes, panel, protocol):
        if warned.verdict in JUDGED:
            # The greatest score, 20, belongs to the last bin.
            place = min(int(warned.alert["score"] // _SCORE_STEP), 20 // _SCORE_STEP - 1)
            found = counts.setdefault(place, [0, 0])
            found[0] += 1
            found[1] += warned.verdict is not Verdict.FALSE
    bins = []
    for place, (total, hits) in sorted(counts.items()):
        share = wilson(hits, total)
        low = float(place * _SCORE_STEP)
        bins.append(ScoreBin(low, low + _SCORE_STEP, total, hits, share.value, share.low, share.high))
    return bins


def _of_kind(
    kind: str,
    alerts: Sequence[Alert],
    outcomes: Sequence[Outcome],
    panel: Panel,
    protocol: Protocol,
    finders: Sequence[frozenset[str]],
) -> OfKind:
    judged = [each for each in judge(alerts, outcomes, panel, protocol) if each.verdict in JUDGED]
    hits = [each for each in judged if each.verdict is Verdict.HIT]
    leads = [each.lead_days for each in hits if each.lead_days is not None]
    return OfKind(
        kind=kind,
        alerts=len(alerts),
        hits=len(hits),
        late=sum(each.verdict is Verdict.LATE for each in judged),
        false=sum(each.verdict is Verdict.FALSE for each in judged),
        precision=len(hits) / len(judged) if judged else None,
        foreseen=sum(kind in found for found in finders),
        alone=sum(found == {kind} for found in finders),
        median_lead_days=median(leads) if leads else None,
    )


def _finders(alerts: Sequence[Alert], outcomes: Sequence[Outcome], protocol: Protocol) -> list[frozenset[str]]:
    """Kinds of the alerts that came early enough, for each outcome."""
    of_account: dict[str, list[tuple[int, str]]] = {}
    for alert in alerts:
        of_account.setdefault(alert["account_id"], []).append((alert["detected_at"], alert["kind"]))
    least_ms, most_ms = (days * DAY_MS for days in (protocol.shortest_lead_days, protocol.longest_lead_days))
    return [
        frozenset(
            kind
            for at_ms, kind in of_account.get(outcome.account_id, [])
            if least_ms <= outcome.at_ms - at_ms <= most_ms
        )
        for outcome in outcomes
    ]
