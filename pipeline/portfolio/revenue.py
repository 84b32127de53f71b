"""Recurring revenue and how it moves. Money in minor units of one currency, shares as fractions."""

from __future__ import annotations

from collections.abc import Sequence

MONTH_DAYS = 30


def mrr_of_price(price_minor: float, days: float) -> float | None:
    """A price for so many days as revenue of 30 days, so that months of different length compare."""
    return price_minor * MONTH_DAYS / days if days > 0 else None


def gross_mrr_churn(churned: float, contraction: float, at_start: float) -> float | None:
    """Revenue lost by customers who left or pay less, as a share of that at the start; never negative.

    Source: ChartMogul, "MRR Churn Rate": (10 + 10) of 100 are 20 %.
    """
    return (churned + contraction) / at_start if at_start > 0 else None


def net_mrr_churn(
    churned: float, contraction: float, expansion: float, reactivation: float, at_start: float
) -> float | None:
    """The loss less what existing and returning customers added; negative when they added more.

    Source: ChartMogul, "Net MRR Churn Rate": (20 − 10) of 100 are 10 %.
    """
    return (churned + contraction - expansion - reactivation) / at_start if at_start > 0 else None


def expansion_mrr(expansion: float, at_start: float) -> float | None:
    """Revenue that customers of the start added, as a share of that at the start."""
    return expansion / at_start if at_start > 0 else None


def gross_revenue_retention(churned: float, contraction: float, at_start: float) -> float | None:
    """1 − gross churn: the revenue of the start that is left without any growth."""
    churn = gross_mrr_churn(churned, contraction, at_start)
    return None if churn is None else 1.0 - churn


def net_revenue_retention(
    churned: float, contraction: float, expansion: float, reactivation: float, at_start: float
) -> float | None:
    """1 − net churn; above 1 the customers of the start pay more than they did."""
    churn = net_mrr_churn(churned, contraction, expansion, reactivation, at_start)
    return None if churn is None else 1.0 - churn


def arpa(mrr: float, accounts: int) -> float | None:
    """Average monthly recurring revenue of a paying account."""
    return mrr / accounts if accounts > 0 else None


def lifetime_value(arpa_minor: float | None, gross_margin: float, churn: float | None) -> float | None:
    """Margin that an average customer brings until it leaves: ARPA × gross margin ÷ churn, both of one month.

    None without churn: the formula has no answer then. For reports only; revenue at risk uses ARR.
    """
    if arpa_minor is None or churn is None or churn <= 0:
        return None
    return arpa_minor * gross_margin / churn


def growth_slope(values: Sequence[float]) -> float | None:
    """Least-squares slope of equally spaced values per step, as a share of their mean.

    For seats, employees or data volume of a customer by month.
    """
    count = len(values)
    mean = sum(values) / count if count else 0.0
    if count < 2 or mean <= 0:
        return None
    centre = (count - 1) / 2
    across = sum((place - centre) * value for place, value in enumerate(values))
    return float(across / sum((place - centre) ** 2 for place in range(count)) / mean)
