"""Evidence that a part's share of a whole has fallen."""

from __future__ import annotations

import numpy as np

from pipeline.evidence import share


def test_three_weeks_of_a_large_account_are_very_sure_and_still_a_number() -> None:
    days = np.full((share.DAYS, 1), 200, dtype=np.int64)
    evidence = share.fallen(0 * days, days, np.array([0.7]), 1.35)
    assert np.isfinite(evidence).all()
    assert evidence[0] > 500.0


def test_a_share_that_stays_says_little() -> None:
    whole = np.full((share.DAYS, 1), 10, dtype=np.int64)
    assert share.fallen(0 * whole + 7, whole, np.array([0.7]), 1.35)[0] < 1.0
