"""The same figures over halves and quarters of the time, and when churn recall says that a scorecard is stale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pipeline.scoring.judged import Outcome, Verdict, Warned
from pipeline.scoring.leadtime import JUDGED, LeadTimes
from pipeline.scoring.protocol import Protocol

T = TypeVar("T", Outcome, Warned)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the time: outcomes and warnings that fall into it."""

    name: str
    starts_at_ms: int
    ends_at_ms: int
    outcomes: int
    recall: float | None
    """Share of the outcomes foreseen early enough."""
    churns: int
    churn_recall: float | None
    """Share of the churned accounts warned of `Protocol.stale_lead_days` before."""
    warnings: int
    """Warnings that were judged."""
    precision: float | None
    false_alarms: int


@dataclass(frozen=True, slots=True)
class Staleness:
    """Churn recall has been below the target in quarters running; said at the end of the last of them."""

    starts_at_ms: int
    at_ms: int
    recalls: tuple[float, ...]
    target: float


def halves(leads: LeadTimes, warned: Sequence[Warned], protocol: Protocol) -> list[Span]:
    """The first and the second half of the time between the first and the last outcome or warning."""
    times = [each.at_ms for each in leads.outcomes] + [each.at_ms for each in warned]
    if not times:
        return []
    first, last = min(times), max(times) + 1
    middle = (first + last) // 2
    bounds = (("first half", first, middle), ("second half", middle, last))
    return [_span(*each, leads, warned, protocol) for each in bounds]


def quarters(leads: LeadTimes, warned: Sequence[Warned], protocol: Protocol) -> list[Span]:
    """Every calendar quarter (UTC) that has an outcome or a warning."""
    outcomes = _grouped(leads.outcomes)
    warnings = _grouped(warned)
    found = dict(zip(map(id, leads.outcomes), leads.leads, strict=True))
    return [
        _figures(
            f"{year}-Q{quarter + 1}",
            _start_ms(year, quarter),
            _start_ms(year, quarter + 1),
            [(each, found[id(each)]) for each in outcomes.get((year, quarter), [])],
            warnings.get((year, quarter), []),
            protocol,
        )
        for year, quarter in sorted(outcomes.keys() | warnings.keys())
    ]


def staleness(spans: Sequence[Span], protocol: Protocol) -> list[Staleness]:
    """Each time that churn recall was below the target in so many quarters running, once until it recovers.

    Quarters with few churned accounts are passed over: they neither count nor interrupt.

    Args:
        spans: of `quarters`, in order.
        protocol: says what the target is and how many quarters are needed.
    """
    found: list[Staleness] = []
    below: list[Span] = []
    for span in spans:
        if span.churn_recall is None or span.churns < protocol.stale_churns:
            continue
        below = [*below, span] if span.churn_recall < protocol.recall_target else []
        if len(below) == protocol.stale_quarters:
            recalls = tuple(each.churn_recall for each in below if each.churn_recall is not None)
            found.append(Staleness(below[0].starts_at_ms, span.ends_at_ms, recalls, protocol.recall_target))
    return found


def _span(
    name: str, first_ms: int, last_ms: int, leads: LeadTimes, warned: Sequence[Warned], protocol: Protocol
) -> Span:
    outcomes = [pair for pair in zip(leads.outcomes, leads.leads, strict=True) if first_ms <= pair[0].at_ms < last_ms]
    warnings = [each for each in warned if first_ms <= each.at_ms < last_ms]
    return _figures(name, first_ms, last_ms, outcomes, warnings, protocol)


def _figures(
    name: str,
    first_ms: int,
    last_ms: int,
    outcomes: Sequence[tuple[Outcome, float | None]],
    warnings: Sequence[Warned],
    protocol: Protocol,
) -> Span:
    judged = [each for each in warnings if each.verdict in JUDGED]
    churns = [lead for outcome, lead in outcomes if outcome.kind == "churned"]
    return Span(
        name=name,
        starts_at_ms=first_ms,
        ends_at_ms=last_ms,
        outcomes=len(outcomes),
        recall=_recall([lead for _, lead in outcomes], protocol.shortest_lead_days),
        churns=len(churns),
        churn_recall=_recall(churns, protocol.stale_lead_days),
        warnings=len(judged),
        precision=sum(each.verdict is Verdict.HIT for each in judged) / len(judged) if judged else None,
        false_alarms=sum(each.verdict is Verdict.FALSE for each in judged),
    )


def _recall(leads: Sequence[float | None], least_days: int) -> float | None:
    return sum(lead is not None and lead >= least_days for lead in leads) / len(leads) if leads else None


def _grouped(items: Sequence[T]) -> dict[tuple[int, int], list[T]]:
    groups: dict[tuple[int, int], list[T]] = {}
    for item in items:
        at = datetime.fromtimestamp(item.at_ms / 1000, UTC)
        groups.setdefault((at.year, (at.month - 1) // 3), []).append(item)
    return groups


def _start_ms(year: int, quarter: int) -> int:
    return int(datetime(year + quarter // 4, quarter % 4 * 3 + 1, 1, tzinfo=UTC).timestamp()) * 1000
