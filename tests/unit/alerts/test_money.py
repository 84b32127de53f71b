"""Money as people read it, in alerts too."""

from __future__ import annotations

import pytest

from pipeline.alerts.money import money
from tests.support.scene import Stage


@pytest.mark.parametrize(
    ("minor", "currency", "told"),
    [
        (120_000, "EUR", "1,200 EUR"),
        (120_050.0, "EUR", "1,200.50 EUR"),
        (500_000, "JPY", "500,000 JPY"),
        (1_500, "KWD", "1.500 KWD"),
        (-99, "USD", "-0.99 USD"),
        (90_000, None, "900"),
        (0, "EUR", "0 EUR"),
    ],
)
def test_an_amount_is_in_units_of_its_currency(minor: float, currency: str | None, told: str) -> None:
    assert money(minor, currency) == told


def test_a_downgrade_is_told_in_money() -> None:
    stage = Stage()
    stage.send("account.profiles", {"name": "Acme", "currency": "JPY", "arr_minor": 12_000_000})
    stage.pass_days(1)
    change = {"type": "subscription_changed", "subscription_id": "s", "currency": "JPY", "seats_after": None}
    stage.send("billing.events", change | {"mrr_minor_before": 1_000_000, "mrr_minor_after": 600_000})
    [alert] = stage.of_kind("subscription_downgraded")
    assert alert["summary"] == "Acme: recurring revenue fell from 1,000,000 JPY to 600,000 JPY a month"


def test_longer_without_activity_is_less_of_it_and_no_percentage() -> None:
    stage = Stage()
    for _ in range(63):
        stage.send("usage.events", {"user_id": "u", "feature": "home", "quantity": 5.0})
        stage.pass_days(1)
    stage.pass_days(12)
    [alert] = [alert for alert in stage.of_kind("silence") if alert["revision"] == 1]
    [activity] = [each for each in alert["dimensions"] if each["name"] == "activity"]
    assert (activity["state"], activity["change_pct"], alert["signal"]["change_pct"]) == ("down", None, None)
