"""Ticket events on an account's book: which tickets are open, since when and how urgent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.books import Book, Ticket

OPENING = frozenset({"opened", "reopened"})
CLOSING = frozenset({"resolved", "closed"})
DEFAULT_PRIORITY = "p3"


def apply_ticket(book: Book, event: Mapping[str, Any], limit: int) -> None:
    """Bring the book up to date with one event; events not after a ticket's closing change nothing."""
    book.tickets_seen = True
    key, kind, at_ms, priority = event["ticket_id"], event["type"], event["occurred_at"], event["priority"]
    if at_ms <= book.closed_tickets.get(key, -1):
        return
    ticket = book.tickets.get(key)
    if kind in CLOSING:
        book.tickets.pop(key, None)
        book.closed_tickets[key] = at_ms
        _bound(book.closed_tickets, limit)
    elif kind in OPENING and ticket is None:
        if len(book.tickets) >= limit:
            del book.tickets[min(book.tickets, key=lambda name: book.tickets[name].opened_at_ms)]
        book.tickets[key] = Ticket(at_ms, priority or DEFAULT_PRIORITY)
    elif ticket is not None:
        _update(ticket, kind, at_ms, priority)


def _update(ticket: Ticket, kind: str, at_ms: int, priority: str | None) -> None:
    if kind == "reopened":
        ticket.opened_at_ms = at_ms
    if kind == "escalated":
        ticket.escalated = True
    if kind in ("opened", "reopened", "priority_changed") and priority is not None:
        ticket.priority = priority


def _bound(closed: dict[str, int], limit: int) -> None:
    if len(closed) > limit:
        del closed[min(closed, key=lambda key: (closed[key], key))]


def forget_closed(book: Book, before_ms: int) -> bool:
    """Drop closing times that no event young enough to be applied can be older than; tells whether any was."""
    old = [key for key, at_ms in book.closed_tickets.items() if at_ms < before_ms]
    for key in old:
        del book.closed_tickets[key]
    return bool(old)
