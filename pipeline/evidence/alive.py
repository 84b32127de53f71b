"""Whether an account that is active in some weeks only is still a customer, from when it was.

Method: beta-geometric / beta-Bernoulli (Fader, Hardie, Shang: Customer-Base Analysis in a Discrete-Time Noncontractual
Setting, 2010). While alive an account is active in each week with a chance of its own, after each week it is gone with
another; both chances differ between accounts as the priors say, and a run of weeks tells of them.
"""

from __future__ import annotations

from math import exp, lgamma

import numpy as np

from pipeline.state.members import active_weeks, last_days
from pipeline.terms.arrays import F64, I64, U64

WEEKS = 12
ACTIVE = (1.0, 1.0)
"""Beta prior of the chance to be active in a week: any is as likely."""
GONE = (1.0, 40.0)
"""Beta prior of the chance to leave after a week: one in 41 on average."""


def weeks_of(bits: U64, day: int) -> tuple[I64, I64, I64]:
    """Of the twelve weeks that end with `day`, since the first active one: active ones, the last active one, all.

    Zero where no week was active.
    """
    late, early = last_days(bits, day, 28), last_days(bits, day - 28, 56)
    active = np.stack(active_weeks(early, 8) + active_weeks(late, 4))
    first = np.where(active.any(axis=0), active.argmax(axis=0), WEEKS)
    last = WEEKS - active[::-1].argmax(axis=0)
    seen = WEEKS - first
    return active.sum(axis=0), np.where(seen > 0, last - first, 0), seen


def alive(active: I64, last: I64, weeks: I64) -> F64:
    """Probability of being alive still, as of the last of so many weeks; 0 without an active one."""
    return _TABLE[active, last, weeks]


def _log_beta(left: float, right: float) -> float:
    return lgamma(left) + lgamma(right) - lgamma(left + right)


def _alive(active: int, last: int, weeks: int) -> float:
    def likelihood(lived: int, left: bool) -> float:
        use = _log_beta(ACTIVE[0] + active, ACTIVE[1] + lived - active)
        return exp(use + _log_beta(GONE[0] + left, GONE[1] + lived))

    here = likelihood(weeks, left=False)
    return here / (here + sum(likelihood(lived, left=True) for lived in range(last, weeks)))


def _table() -> F64:
    table = np.zeros((WEEKS + 1, WEEKS + 1, WEEKS + 1))
    for weeks in range(1, WEEKS + 1):
        for last in range(1, weeks + 1):
            for active in range(1, last + 1):
                table[active, last, weeks] = _alive(active, last, weeks)
    return table


_TABLE = _table()
"""By active weeks, the last of them, and weeks."""
