"""Applies one event to one account: day panes, books and immediate alerts."""

from __future__ import annotations

from typing import Any

from tests.oracle.alerts import Alerts, Finding
from tests.oracle.days import Days
from tests.oracle.model import (
    BILLING,
    DAY_MS,
    SIGNALS,
    TICKETS,
    USAGE,
    Account,
    Invoice,
    Opinion,
    OracleConfig,
    Subscription,
    Ticket,
)
from tests.oracle.relations import Relations
from tests.oracle.rules import Rules

ACTIVATING = {
    "subscription_started",
    "subscription_changed",
    "subscription_reactivated",
    "trial_started",
    "trial_converted",
}
CANCELLING = {"subscription_cancelled", "trial_expired"}
TURNS = [
    "trial_started", "trial_expired", "trial_converted",
    "subscription_started", "subscription_changed", "subscription_cancelled", "subscription_reactivated",
]  # fmt: skip
"""Of one second, what comes before what."""
PULSES = {"pulse"}
SURVEYS = {"nps", "csat", "ces"}
QUALITY = {"qa_scored"}

BEST = {
    "nps": 10.0,
    "csat": 5.0,
    "ces": 7.0,
    "survey_response": 5.0,
    "pulse": 5.0,
    "csm_pulse": 5.0,
    "qa_scored": 100.0,
}


class Books:
    """Writes events into accounts."""

    def __init__(self, config: OracleConfig, alerts: Alerts) -> None:
        self._config = config
        self._alerts = alerts
        self.rules = Rules(alerts, Days(config.timezone))
        self.relations = Relations(self.rules)

    def apply(self, topic: str, account: Account, event: dict[str, Any], occurred_at_ms: int, day: int) -> None:
        """Apply one event of any topic but profiles."""
        account.topics_seen.add(topic)
        account.first_day = day if account.first_day is None else min(account.first_day, day)
        if topic == USAGE:
            self._usage(account, event, day)
        elif topic == BILLING:
            if event["type"] in {"payment_failed", "invoice_overdue"}:
                account.payment_troubles[day] = min(255, account.payment_troubles[day] + 1)
            self._billing(account, event, occurred_at_ms)
        elif topic == TICKETS:
            self._ticket(account, event, occurred_at_ms, day)
        elif topic == SIGNALS:
            value = _signal(account, event, occurred_at_ms, day)
            self.relations.apply(account, event, occurred_at_ms, value)

    def _usage(self, account: Account, event: dict[str, Any], day: int) -> None:
        quantity = event.get("quantity")
        account.actions[day] += round((1.0 if quantity is None else quantity) * 1000.0)
        account.duration_ds[day] += round((event.get("duration_ms") or 0) / 100)
        account.active_days.add(day)
        first = account.first_usage_day
        account.first_usage_day = day if first is None else min(first, day)
        if event.get("user_id") is not None:
            new, untracked = _mark(account.users, event["user_id"], day, self._config.max_users)
            account.active_users[day] = min(65_535, account.active_users[day] + new)
            account.untracked_users += untracked
            if event.get("role") and not untracked:
                told = account.roles.setdefault(event["user_id"], {})
                told[event["role"]] = max(day, told.get(event["role"], day))
        else:
            account.unnamed[day] = min(65_535, account.unnamed[day] + 1)
        new, untracked = _mark(account.features, event["feature"], day, self._config.max_features)
        account.active_features[day] = min(255, account.active_features[day] + new)
        account.untracked_features += untracked

    def _billing(self, account: Account, event: dict[str, Any], at_ms: int) -> None:
        kind = event["type"]
        if kind in ACTIVATING or kind in CANCELLING:
            self._subscription(account, event, at_ms)
        elif kind in {"invoice_paid", "refund_issued", "invoice_voided"}:
            self._paid(account, event, at_ms)
        else:
            self._invoice(account, event, at_ms)

    def _invoice(self, account: Account, event: dict[str, Any], at_ms: int) -> None:
        kind, amount = event["type"], event.get("amount_minor")
        key = event.get("invoice_id") or event.get("subscription_id") or ""
        invoice = account.invoices.setdefault(key, Invoice())
        if invoice.is_paid_at(at_ms):
            return
        if kind == "invoice_issued":
            invoice.due_at_ms, invoice.amount_minor = event.get("due_at"), amount
            if invoice.costs_nothing():
                invoice.paid_at_ms, invoice.due_at_ms = at_ms, None
        elif invoice.costs_nothing() or (kind == "invoice_overdue" and amount is not None and amount <= 0):
            return
        elif kind == "payment_failed":
            invoice.trouble_at_ms.append(at_ms)
            invoice.failed += 1
            self._raise_failed(account, key, invoice, at_ms)
        else:
            invoice.trouble_at_ms.append(at_ms)
            invoice.overdue = True
            self._raise_overdue(account, key, invoice, event, at_ms)

    def _paid(self, account: Account, event: dict[str, Any], at_ms: int) -> None:
        kind, named, amount = event["type"], event.get("invoice_id"), event.get("amount_minor")
        if kind != "invoice_paid" and named is None:
            return
        if named is not None and named in account.invoices and kind != "invoice_voided" and amount:
            invoice = account.invoices[named]
            if invoice.is_open() and abs(amount) < invoice.left_minor():
                invoice.part_minor += abs(amount)
                return
        keys = {named or "", event.get("subscription_id") or "", ""} if kind == "invoice_paid" else {named or ""}
        for key in sorted(keys):
            invoice = account.invoices.setdefault(key, Invoice())
            troubles = [each for each in invoice.trouble_at_ms if each // 1000 == at_ms // 1000]
            if not invoice.is_paid_at(at_ms):
                account.invoices[key] = Invoice(paid_at_ms=at_ms)
            if kind == "invoice_voided" and at_ms // 1000 == (account.invoices[key].paid_at_ms or 0) // 1000:
                account.invoices[key].amount_minor = 0
            for each in ("payment_failed", "invoice_overdue"):
                episode = account.episodes.get((each, key))
                ended_at = max([at_ms, *troubles])
                if episode and episode.starts_at_ms <= ended_at:
                    self._alerts.resolve(account, episode, "recovered", ended_at)

    def _raise_failed(self, account: Account, key: str, invoice: Invoice, at_ms: int) -> None:
        severity = {1: "warning", 2: "error"}.get(invoice.failed, "critical")
        finding = Finding(severity, float(invoice.failed), 0.0, float(invoice.failed))
        self.rules.begin(account, "payment_failed", key, finding, at_ms, again=True)

    def _raise_overdue(self, account: Account, key: str, invoice: Invoice, event: dict[str, Any], at_ms: int) -> None:
        amount = event.get("amount_minor")
        if amount is None:
            amount = invoice.left_minor()
        finding = Finding("error", float(amount), 0.0, 0.0)
        self.rules.begin(account, "invoice_overdue", key, finding, at_ms, again=False)

    def _subscription(self, account: Account, event: dict[str, Any], at_ms: int) -> None:
        kind = event["type"]
        known = account.subscriptions.setdefault(event.get("subscription_id") or "", Subscription(as_of_ms=at_ms))
        if known.last_type is not None:
            before = known.as_of_ms // 1000, TURNS.index(known.last_type), known.as_of_ms
            if (at_ms // 1000, TURNS.index(kind), at_ms) < before:
                return
            at_ms = max(at_ms, known.as_of_ms)
        self.rules.subscription(account, event, known, at_ms)
        known.as_of_ms, known.last_type = at_ms, kind
        known.active, known.stops_at_ms = True, None
        if kind in CANCELLING:
            date = event.get("due_at") if kind == "subscription_cancelled" else None
            known.active = date is not None and date > at_ms
            known.stops_at_ms = date if known.active else at_ms
            return
        if kind in {"subscription_started", "subscription_reactivated", "trial_converted"}:
            known.began_at_ms = at_ms
        if event.get("due_at") is not None:
            known.term_ms = event["due_at"]
        if event.get("mrr_minor_after") is not None:
            named, currency = event.get("mrr_minor_before"), (event.get("currency") or "").upper()
            if currency != known.currency:
                known.mrr_minor, known.fall = None, None
            _fall(known, known.mrr_minor if named is None else named, event["mrr_minor_after"], at_ms)
            known.mrr_minor, known.currency = event["mrr_minor_after"], currency
        if event.get("seats_after") is not None:
            known.seats = event["seats_after"]

    def _ticket(self, account: Account, event: dict[str, Any], at_ms: int, day: int) -> None:
        kind, key, priority = event["type"], event["ticket_id"], event.get("priority")
        if kind == "opened":
            points = {"p1": 5, "p2": 3, "p3": 2, "p4": 1}[priority or "p3"]
            account.tickets_opened[day] = min(65_535, account.tickets_opened[day] + 1)
            account.severity_points[day] = min(65_535, account.severity_points[day] + points)
            about = event.get("component")
            if about and (about not in account.components or day - account.components[about] >= 7):
                account.components[about] = day
        sentiment, csat = event.get("sentiment"), event.get("csat")
        if (sentiment is not None and sentiment < 0) or (csat is not None and csat <= 2):
            account.complaints[day] = min(255, account.complaints[day] + 1)
        if kind == "csat_given":
            self.rules.rating(account, event, at_ms)
            return
        closed_at = account.closed_at_ms.get(key)
        if closed_at is not None and at_ms <= closed_at:
            return
        self.rules.ticket(account, event, at_ms)
        ticket = account.tickets.get(key)
        if kind in {"resolved", "closed"}:
            account.tickets.pop(key, None)
            account.closed_at_ms[key] = at_ms
        elif kind in {"opened", "reopened"}:
            if ticket is None:
                account.tickets[key] = Ticket(at_ms, priority or "p3")
                return
            ticket.priority = priority or ticket.priority
            if kind == "reopened":
                ticket.opened_at_ms = at_ms
        elif ticket and kind == "priority_changed":
            ticket.priority = priority or ticket.priority
        elif ticket and kind == "escalated":
            ticket.escalated = True


def _fall(known: Subscription, before: int | None, after: int, at_ms: int) -> None:
    """Remember what revenue fell from; a fall within 84 days of another one is compared with the higher."""
    if before is not None and after < before:
        earlier = known.fall[0] if known.fall and at_ms < known.fall[1] + 84 * DAY_MS else 0
        known.fall = (max(before, earlier), at_ms)
    elif known.fall and after >= known.fall[0]:
        known.fall = None


def _mark(table: dict[str, set[int]], identifier: str, day: int, most: int) -> tuple[int, int]:
    """Set the bit of a user or feature, unless it is one too many; count new bits and what is not kept."""
    if identifier not in table and len(table) >= 2 * most:
        return 0, 1
    known = table.setdefault(identifier, set())
    new = day not in known
    known.add(day)
    return int(new), 0


def _signal(account: Account, event: dict[str, Any], at_ms: int, day: int) -> float | None:
    """Take an answer, and return it in 0…1."""
    kind = event["type"]
    if kind in {"meeting_held", "review_held"}:
        account.touches[day] = min(255, account.touches[day] + 1)
    if kind == "shutdown" and event.get("due_at") is not None:
        start, end = event["due_at"], event.get("expires_at")
        if start not in account.shutdowns or account.shutdowns[start][1] <= at_ms:
            account.shutdowns[start] = (start + 1 if end is None else end, at_ms)
    if kind not in PULSES | SURVEYS | QUALITY:
        return None
    best = event.get("scale")
    if best is None:
        best = BEST[kind]
    score = event.get("score")
    worst = 1.0 if best < 10 else 0.0
    if score is None or best < 2 or best > 1000 or score < worst or score > best:
        return None
    value = float((score - worst) / (best - worst))
    if kind in PULSES:
        account.pulses.append(Opinion(value, at_ms, event.get("expires_at")))
    else:
        reviews = account.qualities if kind in QUALITY else account.surveys
        reviews.append(Opinion(value, at_ms, at_ms + 180 * DAY_MS))
    return value
