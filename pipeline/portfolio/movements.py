"""How customers and revenue moved over a period, by group of accounts, and the formulas over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.portfolio import customers, revenue
from pipeline.portfolio.subscriptions import Changes, Standing
from pipeline.terms.arrays import F64, I64, Bools

NEVER_MS = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Movement:
    """What happened to the customers of a group between the start and the end of a period.

    An account is a customer while it pays for a subscription. Moves within the period cancel out: who leaves and is
    back before the end is not lost. Money in minor units.
    """

    at_start: int
    at_end: int
    lost: int
    mrr_at_start: float
    mrr_at_end: float
    churned: float
    """Revenue of the lost ones at the start."""
    contraction: float
    expansion: float
    reactivation: float
    """Revenue at the end of those who had been customers before, and were none at the start."""
    seats_at_end: int

    def figures(self, periods_per_year: float, gross_margin: float) -> Iterator[tuple[str, float | None, int]]:
        """Every figure that follows: its name, value, and the number of accounts that it is of."""
        churn = customers.logo_churn(self.lost, self.at_start)
        mean = revenue.arpa(self.mrr_at_end, self.at_end)
        net = (self.churned, self.contraction, self.expansion, self.reactivation, self.mrr_at_start)
        yield "customers", float(self.at_end), self.at_end
        yield "mrr_minor", self.mrr_at_end, self.at_end
        yield "logo_churn", churn, self.at_start
        yield "logo_retention", customers.retention(self.lost, self.at_start), self.at_start
        yield "logo_churn_per_year", customers.annual_churn(churn, periods_per_year), self.at_start
        gross = (self.churned, self.contraction, self.mrr_at_start)
        yield "gross_mrr_churn", revenue.gross_mrr_churn(*gross), self.at_start
        yield "gross_revenue_retention", revenue.gross_revenue_retention(*gross), self.at_start
        yield "net_mrr_churn", revenue.net_mrr_churn(*net), self.at_start
        yield "net_revenue_retention", revenue.net_revenue_retention(*net), self.at_start
        yield "expansion_mrr", revenue.expansion_mrr(self.expansion, self.mrr_at_start), self.at_start
        yield "arpa_minor", mean, self.at_end
        # The formula takes a churn per month.
        per_month = None if churn is None else 1 - (1 - churn) ** (periods_per_year / 12)
        yield "lifetime_value_minor", revenue.lifetime_value(mean, gross_margin, per_month), self.at_start


def first_paid_ms(changes: Changes, accounts: int) -> I64:
    """When each account began to pay for the first time; `NEVER_MS` for those that never did.

    What begins and ends at the same moment was never paid for.
    """
    first = np.full(accounts, NEVER_MS, dtype=np.int64)
    if not len(changes.paying):
        return first
    order = np.lexsort((changes.at_ms, changes.account))
    account, at_ms = changes.account[order], changes.at_ms[order]
    starts = np.flatnonzero(np.r_[True, (account[1:] != account[:-1]) | (at_ms[1:] != at_ms[:-1])])
    began = starts[np.add.reduceat(changes.paying[order].astype(np.int64), starts) > 0]
    np.minimum.at(first, account[began], at_ms[began])
    return first


def movements(
    start: Standing, end: Standing, was_customer: Bools, counted: Bools, group: I64, groups: int
) -> list[Movement]:
    """The movement of each group.

    Args:
        start: what every account pays when the period begins.
        end: the same when it ends.
        was_customer: accounts that paid at any time before the period.
        counted: accounts whose revenue counts, being of the currency that is reported.
        group: of each account.
        groups: how many there are.
    """
    at_start, at_end = start.paying > 0, end.paying > 0
    before, after = (standing.mrr_minor * counted for standing in (start, end))
    stayed = at_start & at_end
    lost = at_start & ~at_end
    back = ~at_start & at_end & was_customer

    def of(column: F64 | I64 | Bools) -> list[float]:
        return [float(total) for total in np.bincount(group, weights=column, minlength=groups)]

    counts = [[round(total) for total in of(column)] for column in (at_start, at_end, lost, end.seats)]
    moved = (np.maximum(before - after, 0) * stayed, np.maximum(after - before, 0) * stayed, after * back)
    money = [of(column) for column in (before, after, before * lost, *moved)]
    return [
        Movement(
            at_start=counts[0][place],
            at_end=counts[1][place],
            lost=counts[2][place],
            seats_at_end=counts[3][place],
            mrr_at_start=money[0][place],
            mrr_at_end=money[1][place],
            churned=money[2][place],
            contraction=money[3][place],
            expansion=money[4][place],
            reactivation=money[5][place],
        )
        for place in range(groups)
    ]
