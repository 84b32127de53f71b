"""Money as people read it: in units of its currency."""

from __future__ import annotations

# ISO 4217 currencies whose minor unit is not a hundredth.
_WHOLE = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF")
)
_THOUSANDTHS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))


def money(minor: float, currency: str | None) -> str:
    """An amount in minor units, such as "1,200 EUR"; cents only where there are any, no unit where none is known."""
    units, digits = (1, 0) if currency in _WHOLE else (1000, 3) if currency in _THOUSANDTHS else (100, 2)
    amount = f"{minor / units:,.{digits}f}"
    whole, _, rest = amount.partition(".")
    return f"{amount if rest.strip('0') else whole} {currency or ''}".rstrip()
