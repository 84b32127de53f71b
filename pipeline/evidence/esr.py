"""Shiryaev–Roberts e-detectors on daily counts, as mixtures of effect sizes.

Method: for counts with conditional mean at least (for rises: at most) μ and variance at most φμ, `exp(θx) / M(θ)` with
M the negative binomial's moment generating function is an e-value, and `S ← (1 + S) e` an e-detector: the expected
time until `S ≥ A` is at least A when nothing changes (Shin, Ramdas, Rinaldo: E-detectors). A capped e-value is still
one, so a cap costs power and never the run length.
"""

from __future__ import annotations

import numpy as np

from pipeline.terms.arrays import F64, I64

ONSET_SUPPORT = 2.0 + 1e-9
"""Log evidence that a start of the change may lack against the best one and still be in its range; two capped idle days
lack 2 exactly, where rounding must not decide."""
_RATIOS = np.arange(0.0, 1.0, 0.0005)
_INFORMATION = np.where(_RATIOS > 0, _RATIOS * np.log(np.maximum(_RATIOS, 1e-300)), 0.0) + 1.0 - _RATIOS
"""Evidence per unit of expected count over dispersion for a drop to each ratio."""


def falling_tilts(effects: tuple[float, ...], dispersion: F64) -> F64:
    """θ for falls to each share of the level, one row an effect."""
    return np.stack([np.log(effect) / dispersion for effect in effects])


def rising_tilts(effects: tuple[float, ...], dispersion: F64) -> F64:
    """θ for rises to each multiple of the level: the likelihood ratio's own, for which M is always finite."""
    return np.stack([np.log(effect * dispersion / (1.0 + effect * (dispersion - 1.0))) for effect in effects])


def log_e_values(values: F64, means: F64, tilts: F64, dispersion: F64, cap: float | F64) -> F64:
    """Log e-values, one block a day, one row an effect, one column an account."""
    excess = dispersion - 1.0
    scales = np.log(dispersion - excess * np.exp(tilts)) / excess
    return np.asarray(np.minimum(cap, tilts * values[:, None, :] + scales * means[:, None, :]))


def without_days(log_e: F64, means: F64) -> F64:
    """Log e-values without those of days of which nothing is expected: there is no bet."""
    idle = means <= 0
    return np.where(idle[:, None, :], np.nan, log_e) if idle.any() else log_e


def last_two(log_e: F64, live_days: I64) -> tuple[F64, F64]:
    """Log of the mixture's e-detector on the last day but one and on the last; only the last `live_days` count.

    A day without an e-value (NaN) passes without a trace.
    """
    count, idle = len(log_e), np.isnan(log_e)
    some_idle = bool(idle.any())
    factors = np.exp(log_e)
    ragged = bool((live_days < count).any())
    sums = np.zeros(log_e.shape[1:])
    before = sums
    for place in range(count):
        before, sums = sums, (1.0 + sums) * factors[place]
        if some_idle:
            sums = np.where(idle[place], before, sums)
        if ragged:
            sums = np.where(count - place <= live_days, sums, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(before.mean(axis=0)), np.log(sums.mean(axis=0))


def onset(log_e: F64, live_days: int) -> tuple[int, int, int]:
    """Where the change of one account most likely began and the range that may be, as days before the last.

    `log_e` has one row a day and one column an effect.
    """
    suffixes = np.cumsum(np.nan_to_num(log_e[::-1]), axis=0)[:live_days].max(axis=1)
    best = int(suffixes.argmax())
    near = np.flatnonzero(suffixes >= suffixes[best] - ONSET_SUPPORT)
    return best, int(near[-1]), int(near[0])


def smallest_visible_drops(week_information: F64, weeks: int, threshold: float) -> F64:
    """The smallest relative drop that raises within so many weeks; NaN where even silence does not.

    `week_information` is the expected weekly count over its dispersion. Source: the growth rate of the e-detector,
    `(W/φ)(ρ ln ρ + 1 − ρ)` a week.
    """
    needed = threshold / np.maximum(week_information * weeks, 1e-300)
    # Information falls as the remaining ratio rises, so the table is searched from its end.
    place = len(_INFORMATION) - np.searchsorted(_INFORMATION[::-1], needed) - 1
    return np.where(place >= 0, 1.0 - _RATIOS[np.maximum(place, 0)], np.nan)
