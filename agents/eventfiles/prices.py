"""Prices in event files: what is paid for so many days, as the revenue of 30 days that events carry."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.portfolio.revenue import mrr_of_price
from pipeline.terms.arrays import Bools

PRICES = {
    "billing_event": pa.schema([("price_minor", pa.int64()), ("price_days", pa.float64())]),
}
"""By schema: columns that only files have."""
REVENUE = "mrr_minor_after"
TOO_SHORT = "must be at least 1"
_LIMIT = 2**62
"""Beyond all revenue that an event may have."""


def normalised(columns: dict[str, pa.Array]) -> Bools:
    """Take prices and their days out of columns, and put revenue in where a row names none; returns rows with bad days.

    A row that lacks the price or its days has no price.
    """
    price, days, named = columns.pop("price_minor"), columns.pop("price_days"), columns[REVENUE]
    bad = np.zeros(len(named), dtype=bool)
    if price.null_count == len(price):
        return bad
    found = named.to_pylist()
    for row, (minor, length) in enumerate(zip(price.to_pylist(), days.to_pylist(), strict=True)):
        if found[row] is None and minor is not None and length is not None:
            revenue = mrr_of_price(minor, length) if length >= 1 else None
            bad[row] = revenue is None
            found[row] = None if revenue is None else round(max(-_LIMIT, min(revenue, _LIMIT)))
    columns[REVENUE] = pa.array(found, named.type)
    return bad
