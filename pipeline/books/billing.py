"""Billing events on an account's book: subscriptions, invoices, and the facts that alert at once.

Times of billing systems are often whole seconds, so events of one second are taken in the order in which they can
follow each other, whatever the order of delivery.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.books.book import Book, Invoice, Subscription
from pipeline.books.facts import Fact
from schemas.topics import DAY_MS

ORDER = (
    "trial_started",
    "trial_expired",
    "trial_converted",
    "subscription_started",
    "subscription_changed",
    "subscription_cancelled",
    "subscription_reactivated",
)
"""What can follow what within a second; the last of a second holds."""
_RANK = {kind: rank for rank, kind in enumerate(ORDER)}
ENDING = frozenset({"subscription_cancelled", "trial_expired"})
BEGINNING = frozenset({"subscription_started", "subscription_reactivated", "trial_converted"})
"""What may take the place of a subscription that is cancelled."""
ALIVE = frozenset({"active", "trial", "paused"})
"""Statuses of profiles that say that an account goes on."""
REPLACED_MS = DAY_MS
"""A plan change is often a cancellation and a new subscription, at most so far apart."""
PAYMENT_TROUBLES = frozenset({"payment_failed", "invoice_overdue"})
FALLEN_DAYS = 84
"""For so long a fall of revenue is compared with what was before."""
MAX_PAID_INVOICES = 24
"""Paid invoices are remembered only to ignore older events about them."""


def apply_billing(book: Book, event: Mapping[str, Any], limit: int) -> list[Fact]:
    """Bring the book up to date with one event; returns what immediate rules act on.

    An event that changes nothing in the book is a fact by its own name, of what it names.
    """
    kind = event["type"]
    book.billing_seen = True
    if kind in _RANK:
        return _apply_subscription(book, event, limit)
    if kind == "invoice_paid":
        return _pay(book, event)
    if kind in ("refund_issued", "invoice_voided"):
        return _credit(book, event) if event["invoice_id"] is not None else []
    if kind in ("invoice_issued", "payment_failed", "invoice_overdue"):
        return _apply_invoice(book, kind, event, limit)
    return [Fact(kind, _invoice_key(event), event["occurred_at"], float(event["amount_minor"] or 0))]


def _apply_subscription(book: Book, event: Mapping[str, Any], limit: int) -> list[Fact]:
    kind, key, at_ms = event["type"], event["subscription_id"] or "", event["occurred_at"]
    subscription = _subscription(book, key, limit)
    if _place(_RANK[kind], at_ms) < _place(subscription.rank, subscription.as_of_ms):
        return []
    at_ms = max(at_ms, subscription.as_of_ms)
    before, currency = event["mrr_minor_before"], (event["currency"] or "").upper()
    if before is None and (kind in ENDING or currency == subscription.currency):
        before = subscription.mrr_minor
    subscription.as_of_ms, subscription.rank = at_ms, _RANK[kind]
    due_ms = event["due_at"] if kind == "subscription_cancelled" else None
    announced = due_ms is not None and due_ms > at_ms
    subscription.active = announced or kind not in ENDING
    if kind in ENDING:
        subscription.ends_ms = due_ms if announced else at_ms
        return _end(book, kind, key, at_ms, before, due_ms if announced else None)
    subscription.ends_ms = None
    if event["due_at"] is not None:
        subscription.term_ms = event["due_at"]
    if event["mrr_minor_after"] is not None:
        if currency != subscription.currency:
            subscription.fell_from_minor = None
        subscription.mrr_minor = event["mrr_minor_after"]
        subscription.currency = currency
    if event["seats_after"] is not None:
        subscription.seats = event["seats_after"]
    facts = [Fact("subscription_active", key, at_ms)]
    if kind in BEGINNING:
        subscription.since_ms = at_ms
        facts += _replaces(book, key, at_ms)
    facts += _revenue(key, at_ms, before, event["mrr_minor_after"], fallen=subscription.fell_from_minor is not None)
    _remember_fall(subscription, at_ms, before, event["mrr_minor_after"])
    if any(fact.name == "mrr_grew" for fact in facts):
        book.expanded_ms = max(book.expanded_ms, at_ms)
    return facts


def _second(at_ms: int) -> int:
    return at_ms // 1000


def _place(rank: int, at_ms: int) -> tuple[int, int, int]:
    """What orders events of subscriptions."""
    return _second(at_ms), rank, at_ms


def _subscription(book: Book, key: str, limit: int) -> Subscription:
    if key not in book.subscriptions:
        if len(book.subscriptions) >= limit:
            ended = [name for name, known in book.subscriptions.items() if not known.active]
            oldest = min(ended or book.subscriptions, key=lambda name: book.subscriptions[name].as_of_ms)
            del book.subscriptions[oldest]
        book.subscriptions[key] = Subscription()
    return book.subscriptions[key]


def _end(book: Book, kind: str, key: str, at_ms: int, before: int | None, due_ms: int | None) -> list[Fact]:
    """A cancellation says nothing where another subscription began lately: the plan was changed."""
    if kind == "subscription_cancelled" and any(
        other != key and known.active and abs(at_ms - known.since_ms) <= REPLACED_MS
        for other, known in book.subscriptions.items()
    ):
        return [Fact("subscription_active", key, at_ms)]
    return [Fact(kind, key, at_ms, 0.0, float(before or 0), due_ms=due_ms)]


def _replaces(book: Book, key: str, at_ms: int) -> list[Fact]:
    """Other subscriptions that one which begins now takes the place of are as good as active."""
    cancelled = _RANK["subscription_cancelled"]
    return [
        Fact("subscription_active", other, max(at_ms, known.as_of_ms))
        for other, known in sorted(book.subscriptions.items())
        if other != key
        and known.rank == cancelled
        and known.as_of_ms - REPLACED_MS <= at_ms <= (known.ends_ms or known.as_of_ms) + REPLACED_MS
    ]


def next_end_ms(book: Book) -> int | None:
    """When the first of the subscriptions ends whose cancellation was announced."""
    return min((at_ms for at_ms, _ in _announced(book)), default=None)


def end_due(book: Book, end_ms: int) -> None:
    """End the subscriptions whose announced end has come by the end of a day."""
    for at_ms, known in _announced(book):
        if at_ms <= end_ms:
            known.active = False


def on_trial(book: Book) -> bool:
    """Whether all that goes on are trials."""
    active = [known.rank == _RANK["trial_started"] for known in book.subscriptions.values() if known.active]
    return bool(active) and all(active)


def ended_ms(book: Book) -> int | None:
    """When the account ended, with a day for another subscription to begin; nothing while one goes on.

    A profile whose status has become that of a customer since knows better.
    """
    known = book.subscriptions.values()
    if not known or any(each.active for each in known):
        return None
    last_ms = max(each.as_of_ms if each.ends_ms is None else each.ends_ms for each in known)
    profile = book.profile
    if profile is not None and profile.status_word in ALIVE and (profile.status_since_ms or -1) > last_ms:
        return None
    return last_ms + REPLACED_MS


def _announced(book: Book) -> list[tuple[int, Subscription]]:
    return [
        (known.ends_ms, known) for known in book.subscriptions.values() if known.active and known.ends_ms is not None
    ]


def _revenue(key: str, at_ms: int, before: int | None, after: int | None, *, fallen: bool) -> list[Fact]:
    """What became of a subscription's recurring revenue; a first price is no change.

    Only what had fallen in the same currency can be back: `fallen`.
    """
    if after is None:
        return []
    facts = [Fact("mrr_set", key, at_ms, float(after))] if fallen else []
    if before is not None and before > 0 and after != before:
        name = "mrr_fell" if after < before else "mrr_grew"
        facts.append(Fact(name, key, at_ms, float(after), float(before), abs(after - before) / before))
    return facts


def _remember_fall(subscription: Subscription, at_ms: int, before: int | None, after: int | None) -> None:
    """Keep what revenue has fallen from, of falls that follow each other the highest; until it is back."""
    if after is None:
        return
    known = subscription.fell_from_minor
    if before is not None and after < before:
        lately = known is not None and at_ms - subscription.fell_ms < FALLEN_DAYS * DAY_MS
        subscription.fell_from_minor = max(before, known or 0) if lately else before
        subscription.fell_ms = at_ms
    elif known is not None and after >= known:
        subscription.fell_from_minor = None


def _invoice_key(event: Mapping[str, Any]) -> str:
    return event["invoice_id"] or event["subscription_id"] or ""


def _apply_invoice(book: Book, kind: str, event: Mapping[str, Any], limit: int) -> list[Fact]:
    key, at_ms = _invoice_key(event), event["occurred_at"]
    invoice = book.invoices.get(key)
    if invoice is None:
        if len(book.invoices) >= limit:
            del book.invoices[min(book.invoices, key=lambda name: book.invoices[name].due_at_ms or 0)]
        invoice = book.invoices[key] = Invoice()
    if invoice.paid_at_ms is not None and _second(at_ms) <= _second(invoice.paid_at_ms):
        return []
    if kind == "invoice_issued":
        invoice.due_at_ms, invoice.amount_minor, invoice.settled = event["due_at"], event["amount_minor"], False
        if _is_of_nothing(invoice):
            invoice.settled, invoice.paid_at_ms = True, at_ms
        return []
    named = event["amount_minor"]
    if _is_of_nothing(invoice) or (kind == "invoice_overdue" and named is not None and named <= 0):
        return []
    invoice.settled = False
    invoice.troubled_ms = max(invoice.troubled_ms, at_ms)
    if kind == "payment_failed":
        invoice.failures += 1
        return [Fact(kind, key, at_ms, float(invoice.failures), 0.0, float(invoice.failures))]
    invoice.overdue = True
    return [Fact(kind, key, at_ms, float(invoice.owed_minor if named is None else named), 0.0, 0.0)]


def _is_of_nothing(invoice: Invoice) -> bool:
    """Whether nobody has to pay it: a credit note, an invoice of zero, one that was voided."""
    return invoice.amount_minor is not None and invoice.amount_minor <= 0


def _pay(book: Book, event: Mapping[str, Any]) -> list[Fact]:
    if _in_part(book, event):
        return []
    names = (event["invoice_id"], event["subscription_id"], "")
    keys = sorted({key for key in names if key is not None})
    return _settle(book, keys, event["occurred_at"])


def _credit(book: Book, event: Mapping[str, Any]) -> list[Fact]:
    """What is refunded or voided need not be paid any more."""
    voided = event["type"] == "invoice_voided"
    if not voided and _in_part(book, event):
        return []
    return _settle(book, [event["invoice_id"]], event["occurred_at"], 0 if voided else None)


def _in_part(book: Book, event: Mapping[str, Any]) -> bool:
    """Take a payment or a refund that leaves something to be paid of an open invoice."""
    invoice, amount = book.invoices.get(event["invoice_id"]), event["amount_minor"]
    if invoice is None or invoice.settled or amount is None or not 0 < abs(amount) < invoice.owed_minor:
        return False
    invoice.paid_minor += abs(amount)
    return True


def _settle(book: Book, keys: list[str], at_ms: int, amount_minor: int | None = None) -> list[Fact]:
    """Nothing is left to pay; `amount_minor`: what it turned out to cost, if that is another figure."""
    facts = []
    for key in keys:
        invoice = book.invoices.get(key, Invoice())
        now_s, paid_s = _second(at_ms), -1 if invoice.paid_at_ms is None else _second(invoice.paid_at_ms)
        if now_s > paid_s:
            book.invoices[key] = Invoice(paid_at_ms=at_ms, settled=True, amount_minor=amount_minor)
        elif now_s == paid_s and amount_minor is not None:
            invoice.amount_minor = amount_minor
        in_trouble = _second(invoice.troubled_ms) == now_s
        facts.append(Fact("invoice_paid", key, max(at_ms, invoice.troubled_ms) if in_trouble else at_ms))
    _forget_paid(book)
    return facts


def _forget_paid(book: Book) -> None:
    settled = [(invoice.paid_at_ms or 0, key) for key, invoice in book.invoices.items() if invoice.settled]
    for _, key in sorted(settled)[:-MAX_PAID_INVOICES]:
        del book.invoices[key]
