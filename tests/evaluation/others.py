"""Methods that are in common use, on the same daily counts: where each would raise an alert."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pipeline.terms.arrays import I64, Bools
from pipeline.terms.kind import CLEAR_DAYS

Method = Callable[[I64], Bools]
"""Daily counts, one row a day, one column an account → whether the method says "down" on that day."""

_Z_DAYS = 28
_Z_LIMIT = -3.0


def week_over_week(share: float) -> Method:
    """The last seven days are this share below the seven before."""

    def raised(counts: I64) -> Bools:
        weeks = _sums(counts, 7)
        down = np.zeros(counts.shape, dtype=np.bool_)
        down[13:] = (weeks[7:] < (1.0 - share) * weeks[:-7]) & (weeks[:-7] > 0)
        return down

    return raised


def rolling_z(counts: I64) -> Bools:
    """A day three standard deviations below the mean of the 28 days before."""
    total, squares = _sums(counts, _Z_DAYS), _sums(counts * counts, _Z_DAYS)
    mean = total / _Z_DAYS
    spread = np.sqrt(np.maximum(squares / _Z_DAYS - mean * mean, 1e-9))
    down = np.zeros(counts.shape, dtype=np.bool_)
    down[_Z_DAYS:] = (counts[_Z_DAYS:] - mean[:-1]) / spread[:-1] <= _Z_LIMIT
    return down


def rolling_z_of_weeks(counts: I64) -> Bools:
    """A run of seven days three standard deviations below such runs of the 28 days before it."""
    weeks = _sums(counts, 7)
    total, squares = _sums(weeks, _Z_DAYS), _sums(weeks * weeks, _Z_DAYS)
    mean = total / _Z_DAYS
    spread = np.sqrt(np.maximum(squares / _Z_DAYS - mean * mean, 1e-9))
    down = np.zeros(counts.shape, dtype=np.bool_)
    down[6 + _Z_DAYS :] = (weeks[_Z_DAYS:] - mean[:-1]) / spread[:-1] <= _Z_LIMIT
    return down


def adwin(counts: I64) -> Bools:
    """ADWIN with river's defaults, where its mean has fallen."""
    from river.drift import ADWIN

    down = np.zeros(counts.shape, dtype=np.bool_)
    for account in range(counts.shape[1]):
        one, before = ADWIN(), 0.0
        for day, count in enumerate(counts[:, account].tolist()):
            one.update(count)
            if one.drift_detected:
                down[day, account] = one.estimation < before
            before = one.estimation
    return down


def page_hinkley(counts: I64) -> Bools:
    """Page–Hinkley with river's defaults, looking downwards."""
    from river.drift import PageHinkley

    down = np.zeros(counts.shape, dtype=np.bool_)
    for account in range(counts.shape[1]):
        one = PageHinkley(mode="down")
        for day, count in enumerate(counts[:, account].tolist()):
            one.update(count)
            down[day, account] = one.drift_detected
    return down


METHODS: Mapping[str, Method] = {
    "week over week −20 %": week_over_week(0.2),
    "week over week −30 %": week_over_week(0.3),
    "week over week −50 %": week_over_week(0.5),
    "daily z ≤ −3": rolling_z,
    "weekly z ≤ −3": rolling_z_of_weeks,
    "ADWIN": adwin,
    "Page–Hinkley": page_hinkley,
}


def openings(raised: Bools) -> Bools:
    """The days on which an alert would open, one that is not raised for five days being over."""
    opened = np.zeros(raised.shape, dtype=np.bool_)
    quiet = np.full(raised.shape[1], CLEAR_DAYS)
    for day, now in enumerate(raised):
        opened[day] = now & (quiet >= CLEAR_DAYS)
        quiet = np.where(now, 0, quiet + 1)
    return opened


def first_since(opened: Bools, onset: I64) -> I64:
    """Row of each account's first opening from its onset on; −1 if there is none."""
    late = opened & (np.arange(len(opened))[:, None] >= onset)
    return np.where(late.any(axis=0), late.argmax(axis=0), -1)


def _sums(counts: I64, days: int) -> I64:
    """Sums of every run of so many days: the first row ends with row `days − 1`."""
    total = np.cumsum(np.vstack([np.zeros((1, counts.shape[1]), dtype=np.int64), counts]), axis=0)
    return np.asarray(total[days:] - total[:-days])
