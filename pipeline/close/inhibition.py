"""Which alerts stay closed while a wider one is open: feed outage, fleet or segment, parent, account, part of it."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.books.book import Book, Episode
from pipeline.kinds import KNOWN
from pipeline.state.life import PAUSED
from pipeline.state.state import State
from pipeline.terms.kind import Kind, severity_rises
from pipeline.terms.records import Inhibitor
from schemas.event_types import ALERT_SEVERITIES


def speaks_for_use(book: Book) -> bool:
    """Whether an alert is open that stands for all of the account's that are about use."""
    return any(KNOWN[episode.kind].alone for episode in book.episodes)


def spoken_for(book: Book) -> list[Episode]:
    """Open episodes about use beside one that stands for them all."""
    kinds = ((episode, KNOWN[episode.kind]) for episode in book.episodes)
    return [episode for episode, kind in kinds if kind.of_use and not kind.alone] if speaks_for_use(book) else []


def by_gravity(episode: Episode) -> tuple[int, int, str, str]:
    """The most severe first, of several the one that began first."""
    return -ALERT_SEVERITIES.index(episode.severity), episode.starts_at_ms, episode.kind, episode.dimension


def followed(book: Book, kind: Kind, severity: str, shadow: Collection[str]) -> Episode | None:
    """The open alert about use that one of the kind follows from, unless what follows is more severe or on trial."""
    if not kind.joins or kind.name in shadow:
        return None
    kinds = [(each, KNOWN[each.kind]) for each in book.episodes if each.kind not in shadow]
    of_use = [each for each, of in kinds if of.family == "risk" and of.of_use and not of.joins]
    return min([each for each in of_use if not severity_rises(each.severity, severity)], key=by_gravity, default=None)


def inhibitor(state: State, row: int, book: Book, kind: Kind) -> tuple[Inhibitor, Episode | None] | None:
    """What keeps an alert of the kind closed on this close: for kinds on usage a wider one, for any a stronger one.

    With the open alert of the account that says it already, if there is one.
    """
    if kind.scope == "usage":
        wider = _wider(state, row)
        if wider is not None:
            return wider, None
    if kind.by_id and state.fleet_alerts.renamed:
        return "fleet", None
    if kind.of_use:
        alone = next((each for each in book.episodes if KNOWN[each.kind].alone), None)
        if book.life == PAUSED or alone is not None:
            return "account", alone
    stronger = next((each for each in book.episodes if each.kind in kind.yields_to), None)
    return None if stronger is None else ("account", stronger)


def _wider(state: State, row: int) -> Inhibitor | None:
    belonging, alerts = state.accounts.belonging, state.fleet_alerts
    if alerts.stopped:
        return "feed"
    if alerts.dipped(None) or alerts.dipped(belonging.segments.names[int(belonging.segment[row])]):
        return "fleet"
    if int(belonging.parent[row]) in state.fleet.alarmed:
        return "parent"
    return None
