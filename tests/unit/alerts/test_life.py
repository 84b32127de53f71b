"""The life of an account, told by events: what it is, and what alerts become of it."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config import EngineConfig
from pipeline.state.life import NAMES
from tests.oracle.model import DAY_MS
from tests.support.scene import Stage

USAGE, BILLING, TICKETS, SIGNALS, PROFILES = (
    "usage.events", "billing.events", "ticket.events", "customer.signals", "account.profiles",
)  # fmt: skip
PAID = {"type": "subscription_started", "subscription_id": "s", "mrr_minor_after": 100_000, "seats_after": 10}
CANCELLED = {"type": "subscription_cancelled", "subscription_id": "s", "mrr_minor_before": 100_000}
MONTHS = 100


class Customer(Stage):
    """An account whose people use the product every day."""

    def status(self, status: str | None, **fields: Any) -> None:
        self.send(PROFILES, {"name": "Acme", "status": status, **fields})

    def use(self, days: int, users: int = 6) -> None:
        for _ in range(days):
            for number in range(users):
                self.send(USAGE, {"user_id": f"u{number}", "feature": "reports"})
            self.pass_days(1)

    @property
    def open(self) -> dict[str, str]:
        """Severity of each open alert, by kind."""
        (book,) = self.feed.state.accounts.books.values()
        return {episode.kind: episode.severity for episode in book.episodes}

    @property
    def life(self) -> str:
        return NAMES[self.feed.state.accounts.life[1]]

    @property
    def health(self) -> dict[str, Any]:
        return self.outcome.health[-1]

    def openings(self, since: int) -> list[str]:
        return [alert["kind"] for alert in self.alerts[since:] if alert["revision"] == 1]

    def endings(self, kind: str) -> list[str]:
        return [each["transition_reason"] for each in self.of_kind(kind) if each["status"] == "resolved"]


@pytest.fixture
def paying() -> Customer:
    """A customer with contacts, meetings and a milestone to come."""
    customer = Customer()
    customer.status("active", renewal_at=customer.now_ms + 214 * DAY_MS)
    customer.send(BILLING, PAID)
    customer.send(SIGNALS, {"type": "contact_joined", "contact_id": "u1", "role": "champion"})
    customer.send(SIGNALS, {"type": "contact_joined", "contact_id": "u2", "role": "sponsor"})
    customer.send(SIGNALS, {"type": "review_held"})
    due_at = customer.now_ms + (MONTHS + 20) * DAY_MS
    customer.send(SIGNALS, {"type": "milestone_planned", "subject": "phase 2", "due_at": due_at})
    customer.use(MONTHS)
    customer.send(SIGNALS, {"type": "review_held"})
    return customer


def test_nothing_is_said_of_an_account_after_its_end(paying: Customer) -> None:
    paying.send(BILLING, CANCELLED)
    paying.pass_days(1)
    paying.status("churned")
    paying.pass_days(1)
    told = len(paying.alerts)
    assert paying.endings("subscription_cancelled") == ["ended"]
    paying.send(BILLING, {"type": "payment_failed", "invoice_id": "last"})
    paying.send(TICKETS, {"ticket_id": "t", "type": "escalated"})
    paying.send(SIGNALS, {"type": "contact_left", "contact_id": "u2"})
    paying.pass_days(120)
    assert (paying.alerts[told:], paying.open) == ([], {})
    said = [paying.health[name] for name in ("life", "band", "score")]
    assert said == ["ended", "grey", None]


def test_an_account_that_is_a_customer_again_is_told_of_once(paying: Customer) -> None:
    due_at = paying.now_ms - 9 * DAY_MS
    paying.send(BILLING, {"type": "invoice_issued", "invoice_id": "i", "amount_minor": 5, "due_at": due_at})
    paying.use(1)
    paying.status("churned")
    paying.use(30)
    told = len(paying.alerts)
    paying.status("active")
    paying.use(8)
    assert paying.life == "active"
    assert paying.openings(told).count("won_back") == 1
    assert paying.endings("won_back") == ["recovered"]
    (overdue,) = [each for each in paying.of_kind("invoice_overdue")[1:] if each["revision"] == 1]
    assert overdue["starts_at"] == overdue["detected_at"]


@pytest.mark.parametrize(
    ("told", "life"),
    [
        ([CANCELLED], "ended"),
        ([CANCELLED, {"status": "active"}], "ended"),
        ([CANCELLED, {"status": None}, {"status": " Active"}], "active"),
        ([CANCELLED, PAID | {"subscription_id": "t"}], "active"),
        ([CANCELLED, PAID], "active"),
        ([CANCELLED | {"subscription_id": "t"}], "active"),
        ([{"status": "churned"}], "ended"),
        ([{"status": "CHURNED "}, PAID], "active"),
        ([{"status": "churned"}, {"status": "active"}], "active"),
        ([{"status": "on hold"}], "active"),
        ([{"status": "paused"}], "paused"),
        ([{"status": "trial"}], "active"),
        ([CANCELLED, {"type": "trial_started", "subscription_id": "t"}], "trial"),
        ([{"status": "active", "lifecycle_stage": "onboarding"}], "onboarding"),
        ([{"status": "internal"}, CANCELLED], "test"),
        ([{"status": "test"}], "test"),
    ],
)
def test_billing_and_the_profile_say_what_an_account_is(told: list[dict[str, Any]], life: str) -> None:
    customer = Customer()
    customer.status("active")
    customer.send(BILLING, PAID)
    customer.pass_days(3)
    for event in told:
        if "type" in event:
            customer.send(BILLING, event)
        else:
            customer.status(**event)
        customer.pass_hours(6)
    customer.pass_days(3)
    assert (customer.life, customer.health["life"]) == (life, life)


def test_a_trial_is_one_until_it_is_paid_for() -> None:
    customer = Customer()
    customer.status("trial")
    customer.pass_days(1)
    assert customer.life == "trial"
    customer.send(BILLING, PAID)
    customer.pass_days(1)
    assert customer.life == "active"


def test_a_change_of_plan_over_midnight_ends_nothing(paying: Customer) -> None:
    told = len(paying.alerts)
    paying.send(BILLING, CANCELLED)
    paying.pass_days(1)
    paying.pass_hours(-3)
    paying.send(BILLING, PAID | {"subscription_id": "other"})
    paying.use(5)
    assert paying.life == "active"
    assert paying.openings(told) == ["subscription_cancelled"]
    assert paying.endings("subscription_cancelled") == ["recovered"]


def test_a_cancellation_at_the_end_of_a_period_is_a_notice_with_its_date(paying: Customer) -> None:
    ends_at = paying.now_ms + 20 * DAY_MS
    paying.send(BILLING, CANCELLED | {"due_at": ends_at})
    (notice,) = paying.of_kind("subscription_cancelled")
    assert (notice["due_at"], notice["severity"]) == (ends_at, "critical")
    assert notice["summary"] == "Acme: the subscription was cancelled as of 2025-02-01"
    paying.use(20)
    assert (paying.life, int(paying.feed.state.accounts.seats[1])) == ("active", 10)
    assert "subscription_cancelled" in paying.open
    paying.use(1)
    assert int(paying.feed.state.accounts.seats[1]) == 0
    paying.pass_days(1)
    assert (paying.life, paying.open) == ("ended", {})


def test_a_notice_is_taken_back(paying: Customer) -> None:
    paying.send(BILLING, CANCELLED | {"due_at": paying.now_ms + 3 * DAY_MS})
    paying.use(1)
    paying.send(BILLING, {"type": "subscription_reactivated", "subscription_id": "s"})
    paying.use(8)
    assert paying.life == "active"
    assert paying.endings("subscription_cancelled") == ["recovered"]


@pytest.mark.parametrize("asked", [False, True])
def test_accounts_for_tests_are_judged_when_asked_for(asked: bool) -> None:
    customer = Customer(EngineConfig(test_accounts=asked, fleet_min_accounts=1))
    customer.status("internal", seats=10)
    customer.use(MONTHS)
    customer.send(BILLING, {"type": "payment_failed", "invoice_id": "i"})
    customer.pass_days(30)
    assert bool(customer.alerts) is asked
    assert any(update.tallies for update in customer.outcome.fleet_days) is asked
    assert len(customer.feed.state.accounts.judged()) == asked


def test_in_a_pause_nothing_is_said_about_use(paying: Customer) -> None:
    paying.use(10, users=1)
    assert "usage_drop" in paying.open
    told = len(paying.alerts)
    paying.status("paused")
    paying.pass_days(40)
    assert set(paying.openings(told)) == {"milestone_overdue"}
    assert paying.endings("usage_drop") == ["inhibited"]
    assert (paying.life, paying.health["band"]) == ("paused", "green")
    paying.status("active")
    paying.use(14)
    assert set(paying.openings(told)) == {"milestone_overdue"}


def test_an_account_that_has_gone_quiet_is_red_with_one_alert_until_it_is_used_again(paying: Customer) -> None:
    paying.send(SIGNALS, {"type": "milestone_reached", "subject": "phase 2"})
    while "silence" not in paying.open:
        paying.pass_days(1)
    assert (paying.open, paying.life, paying.health["band"]) == ({"silence": "error"}, "gone_quiet", "red")
    for _ in range(200):
        paying.pass_days(1)
        assert "silence" in paying.open
        assert set(paying.open) <= {"silence", "review_overdue"}
        assert (paying.life, paying.health["band"]) == ("gone_quiet", "red")
    told = [(int(each["signal"]["observed"]), each["severity"]) for each in paying.of_kind("silence")]
    assert told == [
        (7, "error"), (14, "error"), (25, "critical"), (30, "critical"), (60, "critical"), (90, "critical"),
        (180, "critical"),
    ]  # fmt: skip
    paying.use(5)
    assert paying.endings("silence") == ["recovered"]
    paying.use(1)
    assert (paying.life, paying.health["band"]) == ("active", "yellow")
    assert len({each["alert_id"] for each in paying.of_kind("silence")}) == 1


def test_an_account_of_use_alone_goes_quiet_and_comes_back() -> None:
    customer = Customer()
    customer.use(MONTHS, users=2)
    customer.pass_days(9)
    assert (customer.life, customer.open) == ("gone_quiet", {"silence": "error"})
    customer.use(6, users=2)
    assert (customer.life, customer.open) == ("active", {})
