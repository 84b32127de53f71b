"""Billing events: subscriptions, an invoice every 30 days, and payments that mostly work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.simulate.fleet import CURRENCIES, Fleet
from pipeline.simulate.incidents import HOUR_MS, Incident
from pipeline.simulate.tables import BILLING, YEAR_DAYS, sorted_events
from schemas.topics import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pyarrow as pa

    from pipeline.simulate.settings import SimulationSettings

Row = dict[str, Any]

CYCLE_DAYS = 30
DUE_DAYS = 14
_REASONS = ("card_declined", "insufficient_funds", "expired_card")


def billing_table(
    settings: SimulationSettings, fleet: Fleet, incidents: Sequence[Incident], rng: np.random.Generator
) -> pa.Table:
    """All billing events, in order of `occurred_at`."""
    failing = {i.account: i for i in incidents if i.kind == "payment_failed" and i.account is not None}
    rows = (
        row
        for account in range(settings.accounts)
        for row in (
            *_subscription(settings, fleet, account),
            *_invoices(settings, fleet, account, failing.get(account), rng),
        )
    )
    return sorted_events(rows, BILLING, settings.seed, "b", settings.end_ms)


def _subscription(settings: SimulationSettings, fleet: Fleet, account: int) -> Iterator[Row]:
    mrr_minor, seats = int(fleet.mrr_minor[account]), int(fleet.seats[account])
    common = _common(fleet, account)
    yield {
        **common,
        "type": "subscription_started",
        "occurred_at": settings.start_ms + int(fleet.start_day[account]) * DAY_MS + account % HOUR_MS,
        "mrr_minor_before": 0,
        "mrr_minor_after": mrr_minor,
        "seats_before": 0,
        "seats_after": seats,
    }
    for day in range(int(fleet.renewal_day[account]), settings.days, YEAR_DAYS):
        yield {
            **common,
            "type": "subscription_changed",
            "occurred_at": settings.start_ms + day * DAY_MS,
            "mrr_minor_before": mrr_minor,
            "mrr_minor_after": mrr_minor,
            "seats_before": seats,
            "seats_after": seats,
            "reason": "renewed",
        }


def _invoices(
    settings: SimulationSettings,
    fleet: Fleet,
    account: int,
    failing: Incident | None,
    rng: np.random.Generator,
) -> Iterator[Row]:
    first = int(fleet.billing_day[account])
    for number, day in enumerate(range(first, settings.days, CYCLE_DAYS)):
        if day < fleet.start_day[account]:
            continue
        issued_ms = settings.start_ms + day * DAY_MS + 6 * HOUR_MS
        invoice = {
            **_common(fleet, account),
            "invoice_id": f"inv-{account + 1:05d}-{number + 1:03d}",
            "amount_minor": int(fleet.mrr_minor[account]),
            "due_at": issued_ms + DUE_DAYS * DAY_MS,
        }
        yield {**invoice, "type": "invoice_issued", "occurred_at": issued_ms}
        if failing is not None and day >= failing.day:
            yield from _failures(invoice, issued_ms, failing)
        else:
            paid_ms = issued_ms + int(rng.uniform(0.5, DUE_DAYS - 1) * DAY_MS)
            yield {**invoice, "type": "invoice_paid", "occurred_at": paid_ms}


def _failures(invoice: Row, issued_ms: int, failing: Incident) -> Iterator[Row]:
    """One to three attempts, three days apart, none of which works."""
    for attempt in range(1 + int(3 * failing.strength)):
        yield {
            **invoice,
            "type": "payment_failed",
            "occurred_at": issued_ms + 3 * HOUR_MS + attempt * 3 * DAY_MS,
            "reason": _REASONS[int(10 * failing.strength) % len(_REASONS)],
        }


def _common(fleet: Fleet, account: int) -> Row:
    return {
        "account_id": fleet.account_ids[account],
        "subscription_id": f"sub-{account + 1:05d}",
        "currency": CURRENCIES[fleet.country[account]],
    }
