"""Billing events on an account's book: subscriptions, invoices, and the facts that alert at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.books.book import Book, Invoice, Subscription
from pipeline.books.facts import Fact

ACTIVATING = frozenset(
    {
        "subscription_started",
        "subscription_changed",
        "subscription_reactivated",
        "trial_started",
        "trial_converted",
    }
)
ENDING = frozenset({"subscription_cancelled", "trial_expired"})
PAYMENT_TROUBLES = frozenset({"payment_failed", "invoice_overdue"})
MAX_PAID_INVOICES = 24
"""Paid invoices are remembered only to ignore older events about them."""


def apply_billing(book: Book, event: Mapping[str, Any], limit: int) -> list[Fact]:
    """Bring the book up to date with one event; returns what immediate rules act on.

    An event that changes nothing in the book is a fact by its own name, of what it names.
    """
    kind = event["type"]
    book.billing_seen = True
    if kind in ACTIVATING or kind in ENDING:
        return _apply_subscription(book, event, active=kind in ACTIVATING, limit=limit)
    if kind == "invoice_paid":
        return _pay(book, event)
    if kind in ("invoice_issued", "payment_failed", "invoice_overdue"):
        return _apply_invoice(book, kind, event, limit)
    return [Fact(kind, _invoice_key(event), event["occurred_at"], float(event["amount_minor"] or 0))]


def _apply_subscription(book: Book, event: Mapping[str, Any], *, active: bool, limit: int) -> list[Fact]:
    key, at_ms = event["subscription_id"] or "", event["occurred_at"]
    subscription = book.subscriptions.get(key)
    if subscription is None:
        if len(book.subscriptions) >= limit:
            ended = [name for name, known in book.subscriptions.items() if not known.active]
            oldest = min(ended or book.subscriptions, key=lambda name: book.subscriptions[name].as_of_ms)
            del book.subscriptions[oldest]
        subscription = book.subscriptions[key] = Subscription()
    if at_ms < subscription.as_of_ms:
        return []
    named = event["mrr_minor_before"]
    before = subscription.mrr_minor if named is None else named
    subscription.as_of_ms = at_ms
    subscription.active = active
    if not active:
        return [Fact(event["type"], key, at_ms, 0.0, float(before or 0))]
    if event["mrr_minor_after"] is not None:
        subscription.mrr_minor = event["mrr_minor_after"]
    if event["seats_after"] is not None:
        subscription.seats = event["seats_after"]
    facts = [Fact("subscription_active", key, at_ms), *_revenue(key, at_ms, before, event["mrr_minor_after"])]
    if any(fact.name == "mrr_grew" for fact in facts):
        book.expanded_ms = max(book.expanded_ms, at_ms)
    return facts


def _revenue(key: str, at_ms: int, before: int | None, after: int | None) -> list[Fact]:
    """What became of a subscription's recurring revenue; a first price is no change."""
    if after is None:
        return []
    facts = [Fact("mrr_set", key, at_ms, float(after))]
    if before is not None and before > 0 and after != before:
        name = "mrr_fell" if after < before else "mrr_grew"
        facts.append(Fact(name, key, at_ms, float(after), float(before), abs(after - before) / before))
    return facts


def _invoice_key(event: Mapping[str, Any]) -> str:
    return event["invoice_id"] or event["subscription_id"] or ""


def _apply_invoice(book: Book, kind: str, event: Mapping[str, Any], limit: int) -> list[Fact]:
    key, at_ms = _invoice_key(event), event["occurred_at"]
    invoice = book.invoices.get(key)
    if invoice is None:
        if len(book.invoices) >= limit:
            del book.invoices[min(book.invoices, key=lambda name: book.invoices[name].due_at_ms or 0)]
        invoice = book.invoices[key] = Invoice()
    if invoice.paid_at_ms is not None and at_ms <= invoice.paid_at_ms:
        return []
    invoice.settled = False
    if kind == "invoice_issued":
        invoice.due_at_ms, invoice.amount_minor = event["due_at"], event["amount_minor"]
        return []
    if kind == "payment_failed":
        invoice.failures += 1
        return [Fact(kind, key, at_ms, float(invoice.failures), 0.0, float(invoice.failures))]
    invoice.overdue = True
    amount = event["amount_minor"] if event["amount_minor"] is not None else invoice.amount_minor
    return [Fact(kind, key, at_ms, float(amount or 0), 0.0, 0.0)]


def _pay(book: Book, event: Mapping[str, Any]) -> list[Fact]:
    at_ms = event["occurred_at"]
    keys = sorted({key for key in (event["invoice_id"], event["subscription_id"], "") if key is not None})
    for key in keys:
        invoice = book.invoices.get(key)
        if invoice is None or invoice.paid_at_ms is None or at_ms > invoice.paid_at_ms:
            book.invoices[key] = Invoice(paid_at_ms=at_ms, settled=True)
    _forget_paid(book)
    return [Fact("invoice_paid", key, at_ms) for key in keys]


def _forget_paid(book: Book) -> None:
    settled = [(invoice.paid_at_ms or 0, key) for key, invoice in book.invoices.items() if invoice.settled]
    for _, key in sorted(settled)[:-MAX_PAID_INVOICES]:
        del book.invoices[key]
