"""What billing, ticket and signal events and profiles leave on an account's book."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest

from pipeline.books.billing import MAX_PAID_INVOICES, apply_billing
from pipeline.books.book import Book, Context, Episode, Invoice, Reading, Ticket, decode_book, encode_book
from pipeline.books.endings import forget
from pipeline.books.facts import Fact
from pipeline.books.signals import (
    apply_profile,
    apply_signal,
    context_of,
    promote_readings,
    reading_of,
    same_context,
)
from pipeline.books.tickets import apply_ticket
from pipeline.state.accounts import SUMMARIES, summary
from tests.support.wire import blank

LIMIT = 500
DAY_MS = 86_400_000


def bill(book: Book, kind: str, at_s: float, *, limit: int = LIMIT, **fields: Any) -> list[Fact]:
    event = blank("billing.events", type=kind, occurred_at=round(1000 * at_s), currency=None)
    return apply_billing(book, event | fields, limit)


def failed(key: str, at_s: int, failures: int) -> list[Fact]:
    return [Fact("payment_failed", key, 1000 * at_s, failures, 0.0, failures)]


def ticket(book: Book, kind: str, at_ms: int, key: str = "t", priority: str | None = None, **more: Any) -> list[Fact]:
    limit = more.pop("limit", LIMIT)
    event = blank("ticket.events", ticket_id=key, type=kind, occurred_at=at_ms, priority=priority, **more)
    return apply_ticket(book, event, limit)


def signal(book: Book, kind: str, at_ms: int, score: float | None = None, **fields: Any) -> bool:
    return apply_signal(book, signal_event(kind, at_ms, score=score, **fields), today_end_ms=1000)


def signal_event(kind: str, at_ms: int, **fields: Any) -> dict[str, Any]:
    return blank("customer.signals", type=kind, occurred_at=at_ms, **fields)


def profile(book: Book, updated_at: int | None, **fields: Any) -> None:
    apply_profile(book, blank("account.profiles", updated_at=updated_at, **fields), 9)


def summarised(book: Book) -> dict[str, Any]:
    return dict(zip(SUMMARIES, summary(book), strict=True))


# Subscriptions


def test_a_subscription_is_as_of_its_newest_event_whatever_the_order() -> None:
    book = Book()
    bill(book, "subscription_changed", 20, subscription_id="s", mrr_minor_after=900, seats_after=9)
    bill(book, "subscription_started", 10, subscription_id="s", mrr_minor_after=100, seats_after=1)
    bill(book, "subscription_cancelled", 15, subscription_id="s")
    subscription = book.subscriptions["s"]
    assert (subscription.active, subscription.mrr_minor, subscription.seats) == (True, 900, 9)


def test_an_ended_subscription_keeps_its_figures_until_it_is_active_again() -> None:
    book = Book()
    bill(book, "subscription_started", 1, mrr_minor_after=100, seats_after=4)
    bill(book, "subscription_cancelled", 2, mrr_minor_after=0, seats_after=0)
    assert summarised(book)["cancelled"] is True
    bill(book, "subscription_reactivated", 3)
    assert (book.subscriptions[""].mrr_minor, book.subscriptions[""].seats) == (100, 4)
    assert summarised(book)["cancelled"] is False


def test_seats_are_the_sum_of_active_subscriptions_and_else_the_profiles() -> None:
    book = Book()
    profile(book, 1, seats=7)
    assert summarised(book)["seats"] == 7
    bill(book, "subscription_started", 1, subscription_id="a", seats_after=3)
    bill(book, "subscription_started", 1, subscription_id="b", seats_after=4)
    bill(book, "subscription_started", 1, subscription_id="c")
    bill(book, "subscription_started", 1, subscription_id="d", seats_after=100)
    bill(book, "subscription_cancelled", 2, subscription_id="d")
    assert summarised(book)["seats"] == 7 == 3 + 4


def test_of_too_many_subscriptions_the_oldest_ended_one_goes() -> None:
    book = Book()
    for number, at_ms in enumerate((30, 10, 20)):
        bill(book, "trial_started", at_ms, limit=3, subscription_id=f"s{number}")
    bill(book, "trial_expired", 40, limit=3, subscription_id="s2")
    bill(book, "subscription_started", 50, limit=3, subscription_id="new")
    assert set(book.subscriptions) == {"s0", "s1", "new"}
    bill(book, "subscription_started", 60, limit=3, subscription_id="newer")
    assert set(book.subscriptions) == {"s0", "new", "newer"}


# Invoices


def test_failures_are_counted_until_a_payment_that_is_not_older() -> None:
    book = Book()
    assert bill(book, "payment_failed", 10, invoice_id="i") == failed("i", 10, 1)
    assert bill(book, "payment_failed", 20, invoice_id="i") == failed("i", 20, 2)
    assert bill(book, "invoice_paid", 20, invoice_id="i") == [Fact("invoice_paid", key, 20_000) for key in ("", "i")]
    assert bill(book, "payment_failed", 20, invoice_id="i") == []
    assert bill(book, "payment_failed", 21, invoice_id="i") == failed("i", 21, 1)


@pytest.mark.parametrize(
    ("fields", "key"),
    [({"invoice_id": "i", "subscription_id": "s"}, "i"), ({"subscription_id": "s"}, "s"), ({}, "")],
)
def test_a_failure_is_of_the_invoice_else_of_the_subscription_else_of_the_account(
    fields: dict[str, Any], key: str
) -> None:
    book = Book()
    assert bill(book, "payment_failed", 1, **fields) == failed(key, 1, 1)
    assert summarised(book)["failed_unpaid"] is True
    bill(book, "invoice_paid", 2, **fields)
    assert summarised(book)["failed_unpaid"] is False


def test_an_overdue_invoice_has_the_events_amount_else_the_issued_one_else_none() -> None:
    book = Book()
    assert bill(book, "invoice_overdue", 1, invoice_id="a") == [Fact("invoice_overdue", "a", 1_000, 0, 0.0, 0.0)]
    bill(book, "invoice_issued", 2, invoice_id="b", amount_minor=700, due_at=99)
    assert summarised(book)["first_due_ms"] == 99
    assert bill(book, "invoice_overdue", 3, invoice_id="b") == [Fact("invoice_overdue", "b", 3_000, 700, 0.0, 0.0)]
    assert bill(book, "invoice_overdue", 4, invoice_id="b", amount_minor=650) == [
        Fact("invoice_overdue", "b", 4_000, 650, 0.0, 0.0)
    ]
    assert summarised(book)["overdue_flagged"] is True


@pytest.mark.parametrize(("fields", "key"), [({"invoice_id": "i", "subscription_id": "s"}, "i"), ({}, "")])
def test_an_event_that_changes_nothing_is_a_fact_by_its_own_name(fields: dict[str, Any], key: str) -> None:
    book = Book()
    assert bill(book, "disputed", 3, amount_minor=700, **fields) == [Fact("disputed", key, 3_000, 700)]
    assert bill(book, "disputed", 4, **fields) == [Fact("disputed", key, 4_000, 0)]
    assert not book.invoices


def test_paid_invoices_are_forgotten_beyond_two_dozen_and_open_ones_are_not() -> None:
    book = Book()
    bill(book, "invoice_issued", 1, invoice_id="open")
    for number in range(40):
        bill(book, "invoice_paid", 10 + number, invoice_id=f"i{number:02}")
    settled = {key for key, invoice in book.invoices.items() if invoice.settled}
    assert len(settled) == MAX_PAID_INVOICES
    assert {"open", "i39"} <= set(book.invoices)
    assert "i00" not in book.invoices


def test_of_too_many_invoices_the_one_due_first_goes() -> None:
    book = Book()
    for number, due_at in enumerate((30, 10, 20)):
        bill(book, "invoice_issued", 1, limit=3, invoice_id=f"i{number}", due_at=due_at)
    bill(book, "invoice_issued", 2, limit=3, invoice_id="new", due_at=40)
    assert set(book.invoices) == {"i0", "i2", "new"}


def test_a_change_of_recurring_revenue_is_a_fact_and_a_first_price_is_none() -> None:
    book = Book()
    assert "mrr_grew" not in [fact.name for fact in bill(book, "subscription_started", 1, mrr_minor_after=500)]
    assert Fact("mrr_grew", "", 2_000, 800.0, 500.0, 0.6) in bill(book, "subscription_changed", 2, mrr_minor_after=800)
    lower = bill(book, "subscription_changed", 3, mrr_minor_before=1000, mrr_minor_after=750)
    assert Fact("mrr_fell", "", 3_000, 750.0, 1000.0, 0.25) in lower
    assert bill(book, "subscription_changed", 2, mrr_minor_after=1) == []
    assert bill(book, "subscription_cancelled", 4) == [Fact("subscription_cancelled", "", 4_000, 0.0, 750.0)]


def test_a_cancellation_is_a_change_of_plan_where_another_subscription_begins_within_a_day() -> None:
    old_first, new_first, alone = Book(), Book(), Book()
    for book in (old_first, new_first, alone):
        bill(book, "subscription_started", 1, subscription_id="old", mrr_minor_after=100)
    day_s = DAY_MS // 1000
    cancelled = Fact("subscription_cancelled", "old", 2 * DAY_MS, 0.0, 100.0)
    assert bill(old_first, "subscription_cancelled", 2 * day_s, subscription_id="old") == [cancelled]
    began = bill(old_first, "subscription_started", 2 * day_s + 2, subscription_id="new", mrr_minor_after=90)
    assert Fact("subscription_active", "old", 2 * DAY_MS + 2_000) in began
    bill(new_first, "subscription_started", 2 * day_s + 2, subscription_id="new", mrr_minor_after=90)
    assert bill(new_first, "subscription_cancelled", 2 * day_s, subscription_id="old") == [
        Fact("subscription_active", "old", 2 * DAY_MS)
    ]
    bill(alone, "subscription_started", 2 * day_s, subscription_id="another")
    assert bill(alone, "subscription_cancelled", 4 * day_s, subscription_id="old")[0].name == "subscription_cancelled"


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_events_of_one_second_leave_the_same_whatever_the_order_of_delivery(order: tuple[int, ...]) -> None:
    subscription: tuple[tuple[str, float, dict[str, Any]], ...] = (
        ("subscription_cancelled", 5.2, {}),
        ("subscription_started", 5.9, {"mrr_minor_after": 10, "seats_after": 2}),
        ("subscription_changed", 5.1, {"mrr_minor_after": 30}),
    )
    invoice: tuple[tuple[str, float, dict[str, Any]], ...] = (
        ("payment_failed", 7.8, {"invoice_id": "i"}),
        ("invoice_issued", 7.9, {"invoice_id": "i", "amount_minor": 5, "due_at": 1}),
        ("invoice_paid", 7.1, {"invoice_id": "i", "amount_minor": 5}),
    )
    book = Book()
    names: set[tuple[str, int]] = set()
    for events in (subscription, invoice):
        for kind, at_s, fields in (events[number] for number in order):
            names |= {(fact.name, fact.at_ms) for fact in bill(book, kind, at_s, **fields)}
    assert book.subscriptions[""].active is False
    assert book.invoices["i"].settled is True
    paid_ms = max((at_ms for name, at_ms in names if name == "invoice_paid"), default=0)
    assert all(at_ms <= paid_ms for name, at_ms in names if name == "payment_failed")


@pytest.mark.parametrize("amount", [-5_000, 0])
def test_an_invoice_of_nothing_is_never_overdue(amount: int) -> None:
    book = Book()
    bill(book, "invoice_issued", 1, invoice_id="i", amount_minor=amount, due_at=2_000)
    assert summarised(book)["first_due_ms"] == summarised(Book())["first_due_ms"]
    assert bill(book, "invoice_overdue", 9, invoice_id="i", amount_minor=5_000) == []
    assert bill(book, "payment_failed", 10, invoice_id="i") == []
    assert bill(book, "invoice_overdue", 11, invoice_id="other", amount_minor=amount) == []


@pytest.mark.parametrize("kind", ["invoice_voided", "refund_issued"])
def test_what_is_voided_or_refunded_need_not_be_paid_any_more(kind: str) -> None:
    book = Book()
    bill(book, "invoice_issued", 1, invoice_id="i", amount_minor=700, due_at=9_000)
    bill(book, "invoice_overdue", 2, invoice_id="i")
    assert bill(book, kind, 3, invoice_id="i") == [Fact("invoice_paid", "i", 3_000)]
    assert summarised(book)["overdue_flagged"] is False
    assert bill(book, "invoice_issued", 1, invoice_id="i", amount_minor=700, due_at=9_000) == []
    again = bill(book, "invoice_overdue", 4, invoice_id="i", amount_minor=700)
    assert bool(again) is (kind == "refund_issued")
    assert bill(book, kind, 5) == []


@pytest.mark.parametrize("kind", ["invoice_paid", "refund_issued"])
def test_an_invoice_paid_in_part_owes_the_rest(kind: str) -> None:
    book = Book()
    bill(book, "invoice_issued", 1, invoice_id="i", amount_minor=700, due_at=9_000)
    assert bill(book, kind, 2, invoice_id="i", amount_minor=300) == []
    assert bill(book, "invoice_overdue", 3, invoice_id="i") == [Fact("invoice_overdue", "i", 3_000, 400.0, 0.0, 0.0)]
    assert bill(book, "invoice_paid", 4, invoice_id="i", amount_minor=400) == [
        Fact("invoice_paid", key, 4_000) for key in ("", "i")
    ]


# Tickets


def test_a_ticket_reopened_twice_is_a_fact_unless_a_season_lies_between() -> None:
    book, later = Book(), 85 * DAY_MS
    assert [ticket(book, "reopened", at_ms) for at_ms in (1, 5)] == [[], [Fact("ticket_reopened", "t", 5, 2, 1, 2)]]
    assert ticket(book, "reopened", 3) == [Fact("ticket_reopened", "t", 3, 3, 1, 3)]
    assert ticket(book, "reopened", 5 + later) == []
    assert forget(book, 5 + later) is False
    assert forget(book, 6 + 2 * later) is True


def test_a_low_rating_counts_even_after_the_ticket_was_closed() -> None:
    book = Book()
    assert ticket(book, "closed", 20) == [Fact("ticket_closed", "t", 20)]
    assert ticket(book, "escalated", 19) == []
    assert ticket(book, "csat_given", 19, csat=2) == [Fact("ticket_rated_low", "t", 19, 2, 3, 1)]
    assert ticket(book, "csat_given", 21, csat=3) == [Fact("ticket_rated_fine", "t", 21, 3, 3, 0)]
    assert ticket(book, "csat_given", 22) == []


def test_a_ticket_is_open_from_opened_to_closed() -> None:
    book = Book()
    ticket(book, "opened", 10, priority="p1")
    ticket(book, "escalated", 11)
    assert book.tickets == {"t": Ticket(10, "p1", True)}
    assert (summarised(book)["open_p1"], summarised(book)["oldest_p1_ms"]) == (1, 10)
    ticket(book, "resolved", 12)
    assert (book.tickets, summarised(book)["open_tickets"], summarised(book)["tickets_seen"]) == ({}, 0, True)


def test_an_event_not_after_the_closing_changes_nothing_and_a_later_one_opens_anew() -> None:
    book = Book()
    ticket(book, "closed", 20)
    for at_ms in (10, 20):
        ticket(book, "opened", at_ms)
    assert book.tickets == {}
    ticket(book, "reopened", 21, priority="p2")
    assert book.tickets == {"t": Ticket(21, "p2")}


def test_a_priority_changes_when_it_is_named() -> None:
    book = Book()
    ticket(book, "opened", 1)
    ticket(book, "priority_changed", 2, priority="p1")
    ticket(book, "priority_changed", 3)
    ticket(book, "commented", 4, priority="p4")
    assert book.tickets["t"] == Ticket(1, "p1")


def test_closing_times_are_bounded_and_forgotten_when_no_event_can_be_older() -> None:
    book = Book()
    for number in range(5):
        ticket(book, "closed", 10 + number, key=f"t{number}", limit=3)
    assert book.closed_tickets == {"t2": 12, "t3": 13, "t4": 14}
    assert forget(book, 13)
    assert book.closed_tickets == {"t3": 13, "t4": 14}
    assert not forget(book, 13)


def test_of_too_many_open_tickets_the_oldest_goes() -> None:
    book = Book()
    for key, at_ms in (("a", 30), ("b", 10), ("c", 20)):
        ticket(book, "opened", at_ms, key=key, limit=2)
    assert set(book.tickets) == {"a", "c"}


# Signals


@pytest.mark.parametrize(
    ("kind", "score", "scale", "value"),
    [
        ("nps", 9.0, None, 0.9),
        ("csat", 1.0, None, 0.0),
        ("csat", 5.0, None, 1.0),
        ("ces", 4.0, None, 0.5),
        ("pulse", 2.0, None, 0.25),
        ("nps", 80.0, 100.0, 0.8),
        ("csat", 3.0, 4.0, 2 / 3),
        ("ces", 15.0, 20.0, 0.75),
    ],
)
def test_an_answer_is_scaled_between_the_worst_and_the_best(
    kind: str, score: float, scale: float | None, value: float
) -> None:
    event = signal_event(kind, 0, score=score, scale=scale)
    reading = reading_of(event)
    assert reading is not None
    assert reading.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("score", "scale"), [(None, None), (9.0, 5.0), (0.5, 5.0), (-1.0, 10.0), (1.0, 1.0), (3.0, 5000.0)]
)
def test_an_answer_without_score_or_beyond_its_scale_says_nothing(score: float | None, scale: float | None) -> None:
    book = Book()
    assert not signal(book, "nps", 1, score, scale=scale)
    assert (book.survey, book.signals_seen) == (None, True)


def test_a_survey_expires_after_180_days_and_a_pulse_when_it_says() -> None:
    book = Book()
    signal(book, "nps", 10, 5.0, expires_at=20)
    signal(book, "pulse", 10, 5.0, expires_at=20)
    assert summarised(book)["survey_until_ms"] == 10 + 180 * DAY_MS
    assert summarised(book)["pulse_until_ms"] == 20
    signal(book, "pulse", 11, 5.0)
    assert summarised(book)["pulse_until_ms"] == 2**62


def test_the_newest_answer_counts_whatever_the_order() -> None:
    book = Book()
    signal(book, "nps", 20, 10.0)
    signal(book, "csat", 10, 1.0)
    assert book.survey == Reading(1.0, 20, 20 + 180 * DAY_MS)


def test_an_answer_of_tomorrow_waits_for_the_day_to_close() -> None:
    book = Book()
    signal(book, "pulse", 999, 1.0)
    assert signal(book, "pulse", 1000, 5.0)
    assert book.pulse is not None
    assert book.pulse.value == 0.0
    promote_readings(book)
    assert (book.pulse.value, book.next_pulse) == (1.0, None)


# Profile and context


def test_the_profile_updated_last_stays_and_on_equal_times_the_later_record() -> None:
    book = Book()
    for updated_at, name in ((None, "none"), (5, "five"), (None, "none again"), (4, "four")):
        profile(book, updated_at, name=name)
    assert book.profile is not None
    assert book.profile.name == "five"
    profile(book, 5, name="five again")
    assert book.profile.name == "five again"


def test_recurring_revenue_is_the_profiles_else_that_of_active_subscriptions() -> None:
    book = Book()
    assert context_of(book, 3) == Context(day=3)
    bill(book, "subscription_started", 1, subscription_id="a", mrr_minor_after=100)
    bill(book, "subscription_started", 1, subscription_id="b", mrr_minor_after=50)
    assert context_of(book, 3).arr_minor == 1800
    profile(book, 1, arr_minor=0, owner="ann", renewal_at=77)
    assert context_of(book, 3) == Context(arr_minor=0, owner="ann", renewal_at_ms=77, day=3)


def test_revenue_of_several_currencies_is_kept_apart() -> None:
    book = Book()
    bill(book, "subscription_started", 1, subscription_id="a", mrr_minor_after=100, currency="eur")
    bill(book, "subscription_started", 1, subscription_id="b", mrr_minor_after=50, currency="EUR")
    assert context_of(book, 3) == Context(arr_minor=1800, currency="EUR", day=3)
    bill(book, "subscription_started", 1, subscription_id="c", mrr_minor_after=9000, currency="JPY")
    both = {"EUR": 1800, "JPY": 108_000}
    assert context_of(book, 3) == Context(arr_by_currency=both, day=3)
    profile(book, 1, currency="jpy")
    assert context_of(book, 3) == Context(arr_minor=108_000, currency="JPY", arr_by_currency=both, day=3)


def test_contexts_of_two_days_are_the_same_when_they_show_the_same() -> None:
    assert same_context(Context(owner="ann", day=1), Context(owner="ann", day=2))
    assert not same_context(Context(owner="ann", day=1), Context(owner="bob", day=1))


# Stored form


def test_a_book_is_read_as_it_was_written() -> None:
    book = Book()
    bill(book, "payment_failed", 3, invoice_id="i")
    bill(book, "subscription_started", 1, mrr_minor_after=5)
    ticket(book, "opened", 1)
    ticket(book, "closed", 2, key="u")
    signal(book, "nps", 5, 7.0)
    signal(book, "pulse", 2000, 7.0)
    profile(book, 9, name="Böll & Söhne")
    book.context = context_of(book, 8)
    book.episodes.append(Episode("usage_drop", "total_usage", 8, 1, 2, "error", 1.5, 2.5, 9.0, 3, 1))
    assert decode_book(encode_book(book)) == book


def test_a_book_of_an_older_version_lacks_the_fields_at_its_end() -> None:
    older = msgspec.msgpack.encode([{}, {"i": [5, 100]}])
    assert decode_book(older) == Book(invoices={"i": Invoice(5, 100)})


def test_books_do_not_share_what_they_hold() -> None:
    bill(Book(), "subscription_started", 1)
    assert Book() == Book(subscriptions={}, episodes=[])
