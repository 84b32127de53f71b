"""Money as people read it: an amount in minor units, of one currency."""

from __future__ import annotations

from collections.abc import Mapping

_DIGITS: Mapping[str, int] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
         "XPF"),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip
"""Decimals of the ISO 4217 currencies that have not two."""

MINOR_UNITS = "minor units"
"""The unit of figures that are money."""


def major(amount_minor: float, currency: str | None) -> float:
    """An amount in whole units of its currency, two decimals where it is unknown."""
    return amount_minor / 10.0 ** _DIGITS.get((currency or "").upper(), 2)


def money(amount_minor: float, currency: str | None) -> str:
    """An amount with the code of its currency, its decimals where there are any; in minor units where it is unknown."""
    code = (currency or "").upper()
    if not code:
        return f"{amount_minor:,.0f} {MINOR_UNITS}"
    digits = _DIGITS.get(code, 2)
    amount = f"{amount_minor / 10**digits:,.{digits}f}"
    whole, _, decimals = amount.partition(".")
    return f"{amount if decimals.strip('0') else whole} {code}"
