"""Which alerts stay closed while a wider one is open: feed outage, fleet or segment, parent, account, part of it."""

from __future__ import annotations

from pipeline.books import Book
from pipeline.records import Inhibitor
from pipeline.state import State

ACCOUNT_LEVEL = ("usage_drop", "silence")
"""Kinds on an account's usage as a whole; the first three of the order keep them closed."""
FEATURE_LEVEL: tuple[str, ...] = ()
"""Kinds on a part of an account's usage; an open one on the whole keeps them closed too."""


def inhibitor(state: State, row: int, book: Book, kind: str) -> Inhibitor | None:
    """What keeps an alert of the kind closed on this close; nothing for kinds that are not about usage."""
    if kind not in ACCOUNT_LEVEL and kind not in FEATURE_LEVEL:
        return None
    belonging, alerts = state.accounts.belonging, state.fleet_alerts
    if alerts.stopped:
        return "feed"
    if alerts.dipped(None) or alerts.dipped(belonging.segments.names[int(belonging.segment[row])]):
        return "fleet"
    if int(belonging.parent[row]) in state.fleet.alarmed:
        return "parent"
    if kind in FEATURE_LEVEL and any(episode.kind in ACCOUNT_LEVEL for episode in book.episodes):
        return "account"
    return None
