"""Methods that are in common use, on the same counts: where each would raise an alert.

None of them has a budget. So each is set to as many false alarms as the product has, on the same accounts, in
hindsight: what it finds then can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.terms.arrays import F64, I64, Bools
from pipeline.terms.kind import CLEAR_DAYS

_STEPS = 12
_KEPT = 0.5 ** (1 / 52)


@dataclass(frozen=True, slots=True)
class Method:
    """A rule with one setting: counts, one row a period and one column an account → where it says "down"."""

    raised: Callable[[F64, float], Bools]
    quiet: float
    """A setting at which it hardly ever speaks."""
    loud: float


def fall_of(periods: int) -> Callable[[F64, float], Bools]:
    """The last periods are this share below as many before."""

    def raised(counts: F64, share: float) -> Bools:
        sums = _sums(counts, periods)
        down = np.zeros(counts.shape, dtype=np.bool_)
        down[2 * periods - 1 :] = (sums[periods:] <= (1.0 - share) * sums[:-periods]) & (sums[:-periods] > 0)
        return down

    return raised


def z_of(short: int, long: int) -> Callable[[F64, float], Bools]:
    """The last `short` periods are this many standard deviations below the `long` before them."""

    def raised(counts: F64, limit: float) -> Bools:
        return deviations(counts, short, long) <= -limit

    return raised


def deviations(counts: F64, short: int, long: int) -> F64:
    """How far the last `short` periods are from the `long` before them, dispersion regarded; NaN without history."""
    mean, squares = _sums(counts, long) / long, _sums(counts * counts, long) / long
    dispersion = np.maximum((squares - mean * mean) / np.maximum(mean, 1e-9), 1.0)
    out = np.full(counts.shape, np.nan)
    usual = (short * mean)[:-short]
    spread = np.sqrt(np.maximum(usual, 1e-9) * dispersion[:-short])
    out[short + long - 1 :] = np.where(usual > 0, (_sums(counts, short)[long:] - usual) / spread, np.nan)
    return out


def cadence(counts: F64, limit: float) -> Bools:
    """Nothing for this many times what the account's own gaps come to, their standard deviation added."""
    return gaps(counts) >= limit


def gaps(counts: F64) -> F64:
    """Periods since the last count, over the mean of the account's earlier gaps and their standard deviation.

    An earlier gap counts half as much every 52 periods.
    """
    out = np.full(counts.shape, np.nan)
    last, number, total, squares = (np.zeros(counts.shape[1]) for _ in range(4))
    seen = np.zeros(counts.shape[1], dtype=np.bool_)
    for period, now in enumerate(counts):
        active, gap = now > 0, period - last
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / number
            usual = mean + np.sqrt(np.maximum(squares / number - mean * mean, 0.0))
        out[period] = np.where(number >= 3, gap / usual, np.nan)
        closes = active & seen
        number, total, squares = (
            _KEPT * was + closes * gap**power for was, power in ((number, 0), (total, 1), (squares, 2))
        )
        last = np.where(active, period, last)
        seen |= active
    return out


def adwin(counts: F64, delta: float) -> Bools:
    """ADWIN, where its mean has fallen; it looks at every period. The setting is the logarithm of its delta."""
    from river.drift import ADWIN

    down = np.zeros(counts.shape, dtype=np.bool_)
    for account in range(counts.shape[1]):
        one, before = ADWIN(delta=10.0**delta, clock=1), 0.0
        for period, count in enumerate(counts[:, account].tolist()):
            one.update(count)
            if one.drift_detected:
                down[period, account] = one.estimation < before
            before = one.estimation
    return down


def page_hinkley(counts: F64, threshold: float) -> Bools:
    """Page–Hinkley, looking downwards. The setting is the logarithm of its threshold, over the account's mean."""
    from river.drift import PageHinkley

    down = np.zeros(counts.shape, dtype=np.bool_)
    scaled = counts / np.maximum(counts.mean(axis=0), 1e-9)
    for account in range(counts.shape[1]):
        one = PageHinkley(mode="down", threshold=10.0**threshold)
        for period, count in enumerate(scaled[:, account].tolist()):
            one.update(count)
            down[period, account] = one.drift_detected
    return down


METHODS: Mapping[str, Method] = {
    "week over week": Method(fall_of(7), 1.01, 0.0),
    "a week against 4, z": Method(z_of(7, 28), 20.0, 0.0),
    "4 weeks against 13, z": Method(z_of(28, 91), 30.0, 0.0),
    "gap against own rhythm": Method(cadence, 100.0, 0.5),
    "ADWIN": Method(adwin, -40.0, -1e-4),
    "Page–Hinkley": Method(page_hinkley, 3.0, -1.0),
}
"""Of days."""
WEEKLY: Mapping[str, Method] = {
    "4 weeks against 13, z": Method(z_of(4, 13), 30.0, 0.0),
    "gap against own rhythm": Method(cadence, 100.0, 0.5),
    "ADWIN": Method(adwin, -40.0, -1e-4),
    "Page–Hinkley": Method(page_hinkley, 3.0, -1.0),
}
"""Of weeks."""


def tuned(quiet: float, loud: float, alarms: Callable[[float], float], allowed: float) -> float:
    """The loudest setting that has no more false alarms than allowed; the quiet one if none has so few."""
    for _ in range(_STEPS):
        middle = (quiet + loud) / 2.0
        if alarms(middle) <= allowed:
            quiet = middle
        else:
            loud = middle
    return quiet


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


def _sums(counts: F64, periods: int) -> F64:
    """Sums of every run of so many periods: the first row ends with row `periods − 1`."""
    total = np.cumsum(np.vstack([np.zeros((1, counts.shape[1])), counts]), axis=0)
    return np.asarray(total[periods:] - total[:-periods])
