"""Which alerts stay closed while a wider one is open: feed outage, fleet or segment, parent, account, part of it."""

from __future__ import annotations

from pipeline.books.book import Book
from pipeline.kinds.table import KINDS
from pipeline.state.state import State
from pipeline.terms.records import Inhibitor

ACCOUNT_LEVEL = ("usage_drop", "silence")
"""Kinds on an account's usage as a whole; the first three of the order keep them closed."""
FEATURE_LEVEL = (
    "users_drop", "time_drop", "breadth_drop", "feature_abandonment", "role_decline", "combined_evidence",
    "seat_utilisation_drop", "stickiness_drop", "power_user_attendance",
    "champion_silent", "sponsor_silent", "power_user_silent", "dormant",
)  # fmt: skip
"""Kinds on a part of an account's usage; those keep them closed too."""


def inhibitor(state: State, row: int, book: Book, kind: str) -> Inhibitor | None:
    """What keeps an alert of the kind closed on this close: for kinds on usage a wider one, for any a stronger one."""
    if kind in ACCOUNT_LEVEL or kind in FEATURE_LEVEL:
        wider = _wider(state, row)
        if wider is not None:
            return wider
    stronger = KINDS[kind].yields_to
    return "account" if any(episode.kind in stronger for episode in book.episodes) else None


def _wider(state: State, row: int) -> Inhibitor | None:
    belonging, alerts = state.accounts.belonging, state.fleet_alerts
    if alerts.stopped:
        return "feed"
    if alerts.dipped(None) or alerts.dipped(belonging.segments.names[int(belonging.segment[row])]):
        return "fleet"
    if int(belonging.parent[row]) in state.fleet.alarmed:
        return "parent"
    return None
