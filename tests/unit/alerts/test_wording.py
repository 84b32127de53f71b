"""Alerts in words: money as people read it, and time that is no percentage."""

from __future__ import annotations

from tests.support.scene import Stage


def test_a_downgrade_is_told_in_money() -> None:
    stage = Stage()
    stage.send("account.profiles", {"name": "Acme", "currency": "JPY", "arr_minor": 12_000_000})
    stage.pass_days(1)
    change = {"type": "subscription_changed", "subscription_id": "s", "currency": "JPY", "seats_after": None}
    stage.send("billing.events", change | {"mrr_minor_before": 1_000_000, "mrr_minor_after": 600_000})
    [alert] = stage.of_kind("subscription_downgraded")
    assert alert["summary"] == "Acme: recurring revenue fell from 1,000,000 JPY to 600,000 JPY a month"


def test_revenue_in_another_currency_is_not_the_old_revenue_come_back() -> None:
    stage = Stage()

    def price(mrr_minor: int, currency: str) -> list[str]:
        change = {"type": "subscription_changed", "subscription_id": "s", "mrr_minor_after": mrr_minor}
        stage.send("billing.events", change | {"currency": currency})
        stage.pass_days(1)
        return [alert["status"] for alert in stage.of_kind("subscription_downgraded")]

    price(10_000, "EUR")
    assert price(6_000, "EUR") == ["firing"]
    assert price(15_000, "JPY") == ["firing"]
    assert price(20_000, "JPY") == ["firing"]
    price(15_000, "JPY")
    assert price(20_000, "jpy")[-1] == "resolved"


def test_longer_without_activity_is_less_of_it_and_no_percentage() -> None:
    stage = Stage()
    for _ in range(63):
        stage.send("usage.events", {"user_id": "u", "feature": "home", "quantity": 5.0})
        stage.pass_days(1)
    stage.pass_days(12)
    [alert] = [alert for alert in stage.of_kind("silence") if alert["revision"] == 1]
    [activity] = [each for each in alert["dimensions"] if each["name"] == "activity"]
    assert (activity["state"], activity["change_pct"], alert["signal"]["change_pct"]) == ("down", None, None)
