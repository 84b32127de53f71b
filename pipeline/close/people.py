"""What people have said since the last close, at the next: alerts that they know are closed and silent, or wake."""

from __future__ import annotations

from pipeline.alerts.case_ids import case_key
from pipeline.alerts.lifecycle import mute, wake
from pipeline.books.book import Book, Episode
from pipeline.close.account import ClosingAccount
from pipeline.kinds import KNOWN
from pipeline.terms.kind import severity_rises


def heed_people(account: ClosingAccount) -> None:
    """Mute what was closed with its case or expected, wake what was reopened."""
    book, view = account.book, account.judged.view
    fresh = {each.kind: each.known_ms for each in book.expected if each.day == view.day and each.kind}
    settled = {key: case for key, case in book.cases.items() if case.known_ms is not None or case.waking}
    if not fresh and not settled:
        return
    alerting, account_id = account.state.alerting, account.state.accounts.ids[account.row]
    for episode in book.episodes:
        kind = KNOWN[episode.kind]
        case = settled.get(case_key(kind.family, account_id, shadow=alerting.in_shadow(kind, episode)))
        known_ms = max(fresh.get(kind.name, -1), -1 if case is None or case.known_ms is None else case.known_ms)
        if episode.muted and case is not None and case.waking:
            account.take(episode, wake(episode, "human", view.end_ms))
        elif not episode.muted and episode.detected_at_ms <= known_ms and not _worse(book, episode):
            account.take(episode, mute(episode, view.end_ms))


def _worse(book: Book, episode: Episode) -> bool:
    """Whether it has become more severe since the last close."""
    name = episode.kind, episode.dimension, episode.starts_at_ms
    return any(
        severity_rises(seen.severity, episode.severity)
        for case in book.cases.values()
        for seen in case.alerts
        if (seen.kind, seen.dimension, seen.starts_at_ms) == name
    )
