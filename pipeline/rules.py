"""Immediate rules: facts of one topic that alert with the record that brought them.

They read their own topic's state and the context of the last closed day, nothing of another topic, so the order in
which topics are read changes no alert.
"""

from __future__ import annotations

from math import isnan
from typing import Any

from pipeline.alerts import Change, Scene
from pipeline.bands import NAMES
from pipeline.billing import Fact, InvoiceOverdue, Paid, PaymentFailed
from pipeline.books import Book, Episode
from pipeline.state import State
from schemas.event_types import ALERT_SEVERITIES

SETTLED_BY_PAYMENT = ("payment_failed", "invoice_overdue")
_BY_FAILURES = ("warning", "error", "critical")


def react(state: State, row: int, fact: Fact) -> list[dict[str, Any]]:
    """Alert records that a billing fact causes."""
    if isinstance(fact, Paid):
        return _settle(state, row, fact)
    if isinstance(fact, PaymentFailed):
        return _payment_failed(state, row, fact)
    return _invoice_overdue(state, row, fact)


def _payment_failed(state: State, row: int, fact: PaymentFailed) -> list[dict[str, Any]]:
    book = state.accounts.books[row]
    severity = _BY_FAILURES[min(fact.failures, 3) - 1]
    episode = book.episode("payment_failed", fact.key)
    count = float(fact.failures)
    if episode is None:
        episode = Episode(
            "payment_failed", fact.key, state.open_day, fact.at_ms, fact.at_ms, severity, count, 0.0, count
        )
        book.episodes.append(episode)
        return [_record(state, row, book, episode, Change("firing", "detected", fact.at_ms))]
    worse = severity_rises(episode.severity, severity)
    episode.revision += 1
    episode.observed = episode.evidence = count
    if worse:
        episode.severity = severity
    return [_record(state, row, book, episode, Change("firing", "worsened" if worse else "detected", fact.at_ms))]


def severity_rises(old: str, new: str) -> bool:
    """Whether a severity is above another."""
    return ALERT_SEVERITIES.index(new) > ALERT_SEVERITIES.index(old)


def _invoice_overdue(state: State, row: int, fact: InvoiceOverdue) -> list[dict[str, Any]]:
    book = state.accounts.books[row]
    if book.episode("invoice_overdue", fact.key) is not None:
        return []
    amount = float(fact.amount_minor)
    episode = Episode("invoice_overdue", fact.key, state.open_day, fact.at_ms, fact.at_ms, "error", amount, 0.0, 0.0)
    book.episodes.append(episode)
    return [_record(state, row, book, episode, Change("firing", "detected", fact.at_ms))]


def _settle(state: State, row: int, fact: Paid) -> list[dict[str, Any]]:
    book = state.accounts.books[row]
    records = []
    for episode in list(book.episodes):
        if episode.kind not in SETTLED_BY_PAYMENT or episode.dimension not in fact.keys:
            continue
        if episode.starts_at_ms <= fact.at_ms:
            book.episodes.remove(episode)
            episode.revision += 1
            change = Change("resolved", "recovered", fact.at_ms, fact.at_ms)
            records.append(_record(state, row, book, episode, change))
    return records


def health_of(state: State, row: int) -> dict[str, Any]:
    """The account's health as of the last closed day, as alerts show it."""
    accounts = state.accounts
    definition = state.definitions.get(int(accounts.primary[row]))
    card = definition.card if definition is not None else state.plan.cards[int(state.plan.primary[0])]
    return {
        "scorecard": card.id,
        "version": card.version,
        "score": _known(float(accounts.score[row])),
        "previous_score": None,
        "band": NAMES[int(accounts.band[row])],
        "previous_band": None,
    }


def _known(score: float) -> float | None:
    return None if isnan(score) else score


def _record(state: State, row: int, book: Book, episode: Episode, change: Change) -> dict[str, Any]:
    scene = Scene(episode.starts_at_ms, change.at_ms, health=health_of(state, row))
    return state.alerting.record(state.accounts.ids[row], book, episode, change, scene)
