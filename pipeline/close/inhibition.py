"""Which alerts stay closed while a wider one is open: feed outage, fleet or segment, parent, account, part of it."""

from __future__ import annotations

from pipeline.books.book import Book
from pipeline.state.state import State
from pipeline.terms.kind import Kind
from pipeline.terms.records import Inhibitor


def inhibitor(state: State, row: int, book: Book, kind: Kind) -> Inhibitor | None:
    """What keeps an alert of the kind closed on this close: for kinds on usage a wider one, for any a stronger one."""
    if kind.scope == "usage":
        wider = _wider(state, row)
        if wider is not None:
            return wider
    if kind.by_id and state.fleet_alerts.renamed:
        return "fleet"
    return "account" if any(episode.kind in kind.yields_to for episode in book.episodes) else None


def _wider(state: State, row: int) -> Inhibitor | None:
    belonging, alerts = state.accounts.belonging, state.fleet_alerts
    if alerts.stopped:
        return "feed"
    if alerts.dipped(None) or alerts.dipped(belonging.segments.names[int(belonging.segment[row])]):
        return "fleet"
    if int(belonging.parent[row]) in state.fleet.alarmed:
        return "parent"
    return None
