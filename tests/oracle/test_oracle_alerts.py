"""Detectors and episodes, in cases small enough to be worked out by hand."""

from __future__ import annotations

import math

import pytest

from tests.oracle.model import HOUR_MS
from tests.oracle.story import FIRST_DAY, Story
from tests.oracle.view import View


def _steady(days: int, quantity: float = 10.0) -> Story:
    story = Story()
    for day in range(days):
        story.use(day, quantity=quantity)
        story.close(day)
    return story


def test_the_level_of_steady_usage_is_its_mean() -> None:
    story = _steady(84)
    level = View(story.account, FIRST_DAY + 83, story.oracle.days, story.oracle.config).level
    assert level is not None
    assert (level.n, level.mean) == (56, 10.0)
    assert level.factors == pytest.approx((1.0,) * 7)
    assert level.dispersion == pytest.approx(1.1048810)  # 1 + .55 √(2/55)
    # s = 560/φ + .5 = 507.34, r = 56/φ + .05 = 50.734: .97 · s (1 − 1/(9s) − .1/(3√s))³ / r
    assert level.safe_share * level.usual(FIRST_DAY) == pytest.approx(9.6507, abs=1e-3)


def test_a_level_needs_seven_days_and_as_many_to_judge() -> None:
    story = _steady(42)
    views = [View(story.account, FIRST_DAY + d, story.oracle.days, story.oracle.config) for d in (12, 13)]
    assert views[0].level is None
    assert views[1].level is not None
    assert (views[1].level.n, views[1].level.lag) == (7, 7)


def test_a_drop_by_nine_tenths_is_seen_on_its_fourth_day_and_resolved_after_five_good_days() -> None:
    story = _steady(84)
    for day in range(84, 110):
        story.use(day, quantity=1.0 if day < 88 else 10.0)
        story.close(day)
    opened, resolved = story.alerts("usage_drop")
    assert (opened["starts_at"], opened["detected_at"]) == (story.start(87), story.start(88))
    assert opened["observed"] == 3 * 10.0 + 4 * 1.0
    assert opened["expected"] == pytest.approx(70.0)
    assert opened["evidence"] >= math.log(2800)
    # .85 × 70 = 59.5, so 6 days of 10 and one of 1 are enough: from day 93 on.
    assert resolved["ends_at"] == story.start(93 + 5)
    assert (resolved["revision"], resolved["transition_reason"]) == (2, "recovered")


def test_silence_is_raised_on_the_seventh_silent_day() -> None:
    story = _steady(84)
    for day in range(84, 91):
        assert story.alerts("silence") == []
        story.close(day)
    (opened,) = story.alerts("silence")
    assert opened["starts_at"] == story.start(90)
    # Of 84 days none was idle: it comes back within a day with 9 in 10, and leaves with 1 in 287.
    left = (1 - 0.1**7) / 0.9 / 287
    assert (opened["observed"], opened["expected"]) == (7.0, 1.0)
    assert opened["evidence"] == pytest.approx(left / (left + 0.1**7))


def test_late_usage_retracts_the_silence_that_it_broke() -> None:
    story = _steady(84)
    story.close(91)
    story.use(89)
    story.close(92)
    opened, retracted = story.alerts("silence")
    assert opened["starts_at"] == story.start(90)
    assert (retracted["status"], retracted["transition_reason"]) == ("retracted", "late_data")
    assert (retracted["updated_at"], retracted["ends_at"]) == (story.start(93), None)


def test_late_usage_after_the_opening_day_retracts_nothing() -> None:
    story = _steady(84)
    story.close(91)
    story.use(91)
    story.close(92)
    assert [alert["status"] for alert in story.alerts("silence")] == ["firing"]


def test_late_tickets_update_an_open_surge() -> None:
    story = Story()
    story.ticket(0, "commented")
    story.close(59)
    for number, day in enumerate([60, 60, 60, 61, 61, 61, 62, 62]):
        story.ticket(day, "opened", ticket_id=f"t{number}")
    story.close(62)
    story.ticket(62, "opened", ticket_id="late")
    story.close(63)
    opened, updated = story.alerts("ticket_surge")
    assert (opened["observed"], opened["expected"]) == (8.0, 0.0)
    assert (updated["observed"], updated["transition_reason"]) == (9.0, "late_data")
    assert (updated["revision"], updated["detected_at"]) == (2, opened["detected_at"])
    assert updated["evidence"] > opened["evidence"] > math.log(story.oracle.config.arl_days)


def test_three_tickets_are_no_surge() -> None:
    story = Story()
    story.ticket(0, "commented")
    story.close(29)
    for number in range(3):
        story.ticket(30, "opened", ticket_id=f"t{number}")
    story.close(31)
    assert story.alerts("ticket_surge") == []


def test_a_p1_ticket_is_raised_after_exactly_a_day() -> None:
    story = Story()
    story.ticket(0, "opened", hour=0, priority="p1")
    story.ticket(0, "opened", hour=0.001, priority="p1", ticket_id="later")
    story.close(0)
    (opened,) = story.alerts("p1_open")
    assert (opened["observed"], opened["expected"], opened["evidence"]) == (24.0, 24.0, 1.0)
    story.ticket(1, "closed", hour=1)
    story.ticket(1, "closed", hour=1, ticket_id="later")
    story.close(5)
    assert story.alerts("p1_open")[1]["ends_at"] == story.start(6)


def test_an_open_p1_ticket_is_one_alert_that_tells_of_its_days_at_some_of_them() -> None:
    story = Story()
    story.ticket(0, "opened", hour=0, priority="p1")
    story.close(185)
    told = story.alerts("p1_open")
    assert len({alert["alert_id"] for alert in told}) == 1
    assert [alert["observed"] / 24 for alert in told] == [1, 7, 14, 30, 60, 90, 180]
    assert {alert["status"] for alert in told} == {"firing"}


def test_failed_payments_worsen_and_the_payment_resolves_them() -> None:
    story = Story()
    for hour in (1, 2, 3, 4):
        story.bill(0, "payment_failed", hour=hour, invoice_id="i", subscription_id="s")
    story.bill(0, "payment_failed", hour=5, subscription_id="s")
    story.bill(0, "invoice_paid", hour=6, invoice_id="i", subscription_id="s")
    story.bill(0, "payment_failed", hour=6, invoice_id="i")
    story.bill(0, "payment_failed", hour=7, invoice_id="i")
    seen = [
        (alert["dimension"], alert["revision"], alert["severity"], alert["transition_reason"])
        for alert in story.alerts("payment_failed")
    ]
    assert seen == [
        ("i", 1, "warning", "detected"),
        ("i", 2, "error", "worsened"),
        ("i", 3, "critical", "worsened"),
        ("i", 4, "critical", "detected"),
        ("s", 1, "warning", "detected"),
        ("i", 5, "critical", "recovered"),
        ("s", 2, "warning", "recovered"),
        ("i", 1, "warning", "detected"),
    ]


def test_an_alert_id_names_account_kind_dimension_and_start() -> None:
    story = Story()
    story.bill(0, "payment_failed", hour=0)
    (opened,) = story.alerts("payment_failed")
    assert opened["starts_at"] == opened["detected_at"] == opened["updated_at"] == 1_728_000_000_000
    assert opened["alert_id"] == "3e9dfd3d-3a70-513c-b2c6-db5bd1b7cedc"


def test_an_invoice_is_overdue_three_days_after_it_was_due() -> None:
    story = Story()
    due_at = story.start(1)
    story.bill(0, "invoice_issued", invoice_id="i", amount_minor=990, due_at=due_at)
    story.close(2)
    assert story.alerts("invoice_overdue") == []
    assert story.dimension("billing") == 1.0
    story.close(3)
    (opened,) = story.alerts("invoice_overdue")
    assert (opened["starts_at"], opened["detected_at"]) == (due_at, story.start(4))
    assert (opened["observed"], opened["evidence"]) == (990.0, 3.0)
    assert story.dimension("billing") == 0.5
    story.bill(4, "invoice_overdue", invoice_id="i")
    story.bill(4, "invoice_paid", invoice_id="i")
    story.close(4)
    assert [alert["status"] for alert in story.alerts("invoice_overdue")] == ["firing", "resolved"]
    assert story.dimension("billing") == 1.0


def test_a_renewal_in_ninety_days_of_a_grey_account_is_a_warning() -> None:
    story = Story()
    story.profile(0, renewal_at=story.start(92) + HOUR_MS)
    story.close(1)
    assert story.alerts("renewal_at_risk") == []
    story.close(2)
    (opened,) = story.alerts("renewal_at_risk")
    assert (opened["severity"], opened["observed"], opened["evidence"]) == ("warning", 90.0, 50.0)


def test_seats_are_saturated_at_nine_tenths() -> None:
    story = Story()
    story.bill(0, "subscription_started", seats_after=10)
    story.use(0, user="first")
    story.close(26)
    for number in range(9):
        story.use(27, user=f"u{number}")
    story.close(33)
    assert story.alerts("seat_saturation") == []
    story.use(34, user="u0")
    story.close(34)
    (opened,) = story.alerts("seat_saturation")
    assert (opened["family"], opened["observed"], opened["expected"]) == ("expansion", 9.0, 10.0)


def test_growth_is_sustained_once_four_weeks_are_three_tenths_more() -> None:
    story = _steady(84)
    for day in range(84, 112):
        story.use(day, quantity=20.0)
        story.close(day)
    opened = story.alerts("sustained_growth")[0]
    # After k days of 20 there are 280 + 10 k: 1.3 times as much from k = 9 on.
    assert opened["starts_at"] == story.start(92)
    assert (opened["observed"], opened["expected"]) == (370.0, 280.0)
    assert opened["evidence"] > 2
    assert opened["onset"][0] == FIRST_DAY + 84


def test_power_users_who_leave_are_seen_though_the_total_is_flat() -> None:
    story = Story()
    for day in range(140):
        present = [f"p{i}" for i in range(6)] if day < 112 else [f"guest{i}" for i in range(6)]
        for user in {*present, f"guest{day % 7}"}:
            story.use(day, user=user)
        story.close(day)
    opened = story.alerts("power_user_decline")[0]
    assert opened["expected"] == pytest.approx(6 / 7)  # guests come once a week
    assert opened["observed"] <= 0.65
    assert story.alerts("usage_drop") == []
