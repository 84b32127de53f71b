"""Ticket events on an account's book: which tickets are open, since when and how urgent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.books.book import Book, Reopening, Ticket
from pipeline.books.endings import REOPENING_DAYS, bound
from pipeline.books.facts import Fact
from schemas.topics import DAY_MS

OPENING = frozenset({"opened", "reopened"})
CLOSING = frozenset({"resolved", "closed"})
DEFAULT_PRIORITY = "p3"
LOW_RATING = 2
NEUTRAL_RATING = 3


NEWS_DAYS = 7
"""A ticket about a component is no news when there was one so lately."""
MAX_COMPONENTS = 32


def note_component(book: Book, event: Mapping[str, Any], day: int) -> None:
    """Remember that a ticket was opened about a component, unless one was in the week before."""
    name = event["component"]
    if event["type"] != "opened" or not name or day < book.components.get(name, -NEWS_DAYS) + NEWS_DAYS:
        return
    if name not in book.components and len(book.components) >= MAX_COMPONENTS:
        del book.components[min(book.components, key=lambda known: (book.components[known], known))]
    book.components[name] = day


def apply_ticket(book: Book, event: Mapping[str, Any], limit: int) -> list[Fact]:
    """Bring the book up to date with one event; events not after a ticket's closing change nothing.

    Returns what immediate rules act on.
    """
    book.tickets_seen = True
    key, kind, at_ms, priority = event["ticket_id"], event["type"], event["occurred_at"], event["priority"]
    if kind == "csat_given":
        return _rated(key, at_ms, event["csat"], event["requester_id"] or "")
    if at_ms <= book.closed_tickets.get(key, -1):
        return []
    ticket = book.tickets.get(key)
    if kind in CLOSING:
        book.tickets.pop(key, None)
        book.closed_tickets[key] = at_ms
        bound(book.closed_tickets, limit)
        return [Fact("ticket_closed", key, at_ms)]
    if kind in OPENING and ticket is None:
        if len(book.tickets) >= limit:
            del book.tickets[min(book.tickets, key=lambda name: book.tickets[name].opened_at_ms)]
        book.tickets[key] = Ticket(at_ms, priority or DEFAULT_PRIORITY)
    elif ticket is not None:
        _update(ticket, kind, at_ms, priority)
    if kind == "reopened":
        return _reopened(book, key, at_ms, limit)
    return [Fact(kind, key, at_ms)]


def _rated(key: str, at_ms: int, points: int | None, who: str) -> list[Fact]:
    if points is None:
        return []
    name = "ticket_rated_low" if points <= LOW_RATING else "ticket_rated_fine"
    return [Fact(name, key, at_ms, float(points), float(NEUTRAL_RATING), float(NEUTRAL_RATING - points), who=who)]


def _reopened(book: Book, key: str, at_ms: int, limit: int) -> list[Fact]:
    """Count a ticket's reopenings; from the second on they are a fact."""
    known = book.reopened.get(key)
    if known is None or at_ms - known.at_ms > REOPENING_DAYS * DAY_MS:
        if known is None and len(book.reopened) >= limit:
            del book.reopened[min(book.reopened, key=lambda name: (book.reopened[name].at_ms, name))]
        book.reopened[key] = Reopening(1, at_ms)
        return []
    known.count += 1
    known.at_ms = max(known.at_ms, at_ms)
    return [Fact("ticket_reopened", key, at_ms, float(known.count), 1.0, float(known.count))]


def _update(ticket: Ticket, kind: str, at_ms: int, priority: str | None) -> None:
    if kind == "reopened":
        ticket.opened_at_ms = at_ms
    if kind == "escalated":
        ticket.escalated = True
    if kind in ("opened", "reopened", "priority_changed") and priority is not None:
        ticket.priority = priority
