"""What the close of a day makes of an account's cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.alerts.case_ids import case_key, is_over
from pipeline.books.book import Book
from pipeline.books.cases import Case, Seen
from pipeline.cases.records import Desk, by_gravity
from pipeline.terms.kind import severity_rises
from schemas.event_types import ALERT_SEVERITIES


def follow_cases(
    desk: Desk, account_id: str, book: Book, day: int, *, suppressed_anew: bool = False
) -> list[dict[str, Any]]:
    """Records of the cases that the close of a day has changed; those that are over are forgotten.

    `suppressed_anew`: other alerts than on the day before did not open, which the case of risks tells.
    """
    alerts = _alerts(desk, account_id, book)
    end_ms = desk.alerting.days.end_ms(day)
    records = []
    for key in sorted(alerts.keys() | book.cases.keys()):
        case = book.cases.get(key)
        if case is not None and is_over(case, day):
            del book.cases[key]
            case = None
        seen = alerts.get(key, [])
        told = [each for each in seen if not each.muted]
        is_new = case is None
        if case is None:
            if not told:
                continue
            opened_ms = min(each.detected_at_ms for each in told)
            case = book.cases[key] = Case(opened_day=day, opened_ms=opened_ms)
        before = case.priority, case.overdue
        changed = _move(case, told, day, end_ms) or is_new
        if case.closed_ms is not None and not changed:
            continue
        changed |= suppressed_anew and key == "risk"
        if seen != case.alerts:
            case.alerts, changed = seen, True
        if told:
            case.lead = told[0]
        desk.judge(account_id, book, case, end_ms)
        if changed or (case.priority, case.overdue) != before or book.context.day == day:
            case.records += 1
            case.updated_ms = end_ms
            records.append(desk.record(account_id, book, key, end_ms, by_command=False))
    return records


def _alerts(desk: Desk, account_id: str, book: Book) -> Mapping[str, list[Seen]]:
    """Open alerts by the key of their case, the lead first."""
    found: dict[str, list[Seen]] = {}
    for episode in book.episodes:
        kind = desk.kinds[episode.kind]
        key = case_key(kind.family, account_id, shadow=desk.alerting.in_shadow(kind, episode))
        seen = Seen(
            episode.kind,
            episode.dimension,
            episode.starts_at_ms,
            episode.detected_at_ms,
            episode.severity,
            kind.score(episode.severity, episode.evidence),
            episode.revision,
            episode.summary,
            episode.muted,
        )
        found.setdefault(key, []).append(seen)
    for each in found.values():
        each.sort(key=by_gravity)
    return found


def _move(case: Case, told: Sequence[Seen], day: int, end_ms: int) -> bool:
    """Open, wake or close it; tells whether anything was done."""
    settled = case.known_ms is not None or case.waking
    case.known_ms, case.waking = None, False
    if told and case.closed_ms is not None:
        case.reopen()
    elif not told and case.closed_ms is None:
        case.close(day, end_ms)
    elif told and case.snoozed_until_ms is not None and (case.snoozed_until_ms <= end_ms or _worse(case.alerts, told)):
        case.snoozed_until_ms = case.snooze_reason = None
    else:
        return settled
    return True


def _worse(before: Sequence[Seen], now: Sequence[Seen]) -> bool:
    """Whether an alert has become more severe, or one has joined that is more severe than all were."""
    known = {(each.kind, each.dimension): each.severity for each in before if not each.muted}
    if not known:
        return False
    highest = max(known.values(), key=ALERT_SEVERITIES.index)
    return any(severity_rises(known.get((each.kind, each.dimension), highest), each.severity) for each in now)
