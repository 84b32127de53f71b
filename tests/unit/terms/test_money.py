from __future__ import annotations

import pytest

from pipeline.terms.money import money


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123_456, "EUR", "1,234.56 EUR"),
        (-5_000, "usd", "-50 USD"),
        (15_000_000, "JPY", "15,000,000 JPY"),
        (1_234_567, "KWD", "1,234.567 KWD"),
        (5_000, None, "5,000 minor units"),
        (5_000, "", "5,000 minor units"),
    ],
)
def test_money_has_the_decimals_of_its_currency(minor: int, currency: str | None, text: str) -> None:
    assert money(minor, currency) == text
