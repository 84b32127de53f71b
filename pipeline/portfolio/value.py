"""Customers by what they are worth and how well they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.portfolio.surveys import Estimate, wilson

TIERS = ("low", "mid", "high")
NO_TIER = "none"
"""Of an account that is no customer."""


def green_share(bands: Mapping[str, int]) -> Estimate:
    """Share of the accounts with a band that are green; grey ones have none.

    Args:
        bands: number of accounts by band.
    """
    return wilson(bands.get("green", 0), sum(bands.get(band, 0) for band in ("green", "yellow", "red")))


def green_revenue_share(revenue: Mapping[str, float]) -> float | None:
    """The same weighted by revenue.

    Args:
        revenue: of the accounts of each band.
    """
    scored = sum(revenue.get(band, 0.0) for band in ("green", "yellow", "red"))
    return revenue.get("green", 0.0) / scored if scored > 0 else None


def tier_bounds(revenue: Sequence[float]) -> tuple[float, float] | None:
    """Revenue from which an account is in the middle and in the high tier: the thirds of the paying accounts."""
    paying = sorted(value for value in revenue if value > 0)
    if not paying:
        return None
    return paying[len(paying) // 3], paying[2 * len(paying) // 3]


def value_tier(revenue: float, bounds: tuple[float, float]) -> str:
    """The tier of an account, or `NO_TIER` without revenue."""
    if revenue <= 0:
        return NO_TIER
    return TIERS[(revenue >= bounds[0]) + (revenue >= bounds[1])]


def migration(before: Sequence[str], after: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many accounts went from each tier to each, those that came and went included.

    Args:
        before: tier of each account at the start of the period.
        after: of the same accounts at its end.
    """
    names = (*TIERS, NO_TIER)
    matrix = {start: dict.fromkeys(names, 0) for start in names}
    for start, end in zip(before, after, strict=True):
        matrix[start][end] += 1
    del matrix[NO_TIER][NO_TIER]
    return matrix


def nine_box(tier: str, band: str) -> str | None:
    """The cell of a 3 × 3 grid of value and health; None for an account without a tier or a band."""
    if tier not in TIERS or band not in ("green", "yellow", "red"):
        return None
    return f"{tier}/{band}"
