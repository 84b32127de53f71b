"""A part's share of a whole: its reference period, and the evidence that it has fallen since.

Method: likelihood ratio of the part given the whole, so that a holiday, growth or an outage, which move both alike,
cancel; as a Shiryaev–Roberts e-detector over days, tempered by the dispersion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.state.members import last_days
from pipeline.terms.arrays import F64, I32, I64, U64, Bools

Owners = I32 | I64
EFFECTS = (0.6, 0.3)
DAYS = 21
REFERENCE_WEEKS = 12
REFERENCE_DAYS = 7 * REFERENCE_WEEKS
MATERIAL_WEEK, MATERIAL_FORTNIGHT = 0.75, 0.8
"""What a part's last 7 and 14 days must be below against its own usual ones, and its share in the last 7."""
MIN_DISPERSION = 1.25
PRIOR_DISPERSION, PRIOR_WEEKS = 1.35, 15
SHARE_QUANTILE, DISPERSION_QUANTILE = 0.5, 0.3
MAX_SAFE_SHARE, MIN_SAFE_SHARE = 0.98, 0.05
DAY_CAP = 50.0
MOST = 1e260
"""At which the statistic stops, so that weeks of large accounts stay within a float."""


def per_account(owners: Owners, values: npt.NDArray[np.generic], accounts: int) -> I64:
    """Sum of the members' values by account."""
    return np.bincount(owners, weights=values.astype(np.float64), minlength=accounts).astype(np.int64)


def reference_start(day: int) -> int:
    """First day after the reference period in force: a multiple of 7, before the days that are judged."""
    return 7 * ((day - DAYS + 1) // 7)


def reference_of(bits: U64, day: int) -> tuple[U64, U64]:
    """The reference's first 28 days and its last 56, one word a member."""
    start = reference_start(day)
    return last_days(bits, start - 57, 28), last_days(bits, start - 1, 56)


def by_day(words: U64, owners: Owners, accounts: int, days: int, width: int = 1) -> I64:
    """Member-days by account, one row for each `width` days, oldest first."""
    mask = np.uint64((1 << width) - 1)
    rows = [
        per_account(owners, np.bitwise_count((words >> np.uint64(first)) & mask), accounts)
        for first in range(0, days, width)
    ]
    return np.array(rows, dtype=np.int64).reshape(days // width, accounts)


def reference_by_day(early: U64, late: U64, owners: Owners, accounts: int) -> I64:
    """Member-days of the reference by account, one row a day; the words are those of `reference_of`."""
    return np.concatenate([by_day(early, owners, accounts, 28), by_day(late, owners, accounts, 56)])


@dataclass(frozen=True, slots=True)
class Pace:
    """Member-days of parts: of the reference's 84 days, of the last 7 and 14; or of the wholes that they belong to."""

    days: I64
    week: I64
    fortnight: I64


def is_less(part: Pace, all_days: I64, all_week: I64) -> Bools:
    """Where a part does materially less than its usual, by itself and of the whole."""
    less = (part.week <= MATERIAL_WEEK * part.days / 12.0) & (part.fortnight <= MATERIAL_FORTNIGHT * part.days / 6.0)
    return np.asarray(
        less & (all_week > 0) & (part.week * all_days <= MATERIAL_WEEK * part.days * all_week), dtype=np.bool_
    )


def usual(part: I64, whole: I64) -> tuple[F64, F64]:
    """Lower bound of the share in the reference's days, and its dispersion against a binomial; one row a day.

    Single days show how much people vary together; weeks, fewer and therefore with a prior, what lasts for days.
    """
    days, everyone = part.sum(axis=0), np.maximum(whole.sum(axis=0), 1)
    mean = days / everyone
    spread = mean * (1.0 - mean)
    daily = _squares(part, whole, mean).sum(axis=0) / np.where(spread > 0, everyone * spread, np.inf)
    daily *= 1.0 + DISPERSION_QUANTILE * np.sqrt(2.0 / (len(part) - 1))
    weeks, all_weeks = (values.reshape(REFERENCE_WEEKS, 7, -1).sum(axis=1) for values in (part, whole))
    expected = all_weeks * spread
    ratios = _squares(weeks, all_weeks, mean) / np.where(expected > 0, expected, np.inf)
    weekly = (ratios.sum(axis=0) + PRIOR_WEEKS * PRIOR_DISPERSION) / (len(weeks) - 1 + PRIOR_WEEKS)
    dispersion = np.maximum(MIN_DISPERSION, np.maximum(daily, weekly))
    safe = mean - SHARE_QUANTILE * np.sqrt(dispersion * spread / everyone)
    return np.minimum(MAX_SAFE_SHARE, safe), dispersion


def _squares(part: I64, whole: I64, share_of_whole: F64) -> F64:
    return np.asarray((part - whole * share_of_whole) ** 2)


def fallen_since(part: I64, whole: I64, safe: F64, dispersion: F64) -> F64:
    """`fallen` for shares that are not too small to fall; −∞ for others."""
    judged = safe > MIN_SAFE_SHARE
    return np.where(judged, fallen(part, whole, np.where(judged, safe, 0.5), dispersion), -np.inf)


def fallen(part: I64, whole: I64, share: F64, dispersion: F64 | float) -> F64:
    """Log evidence that the part's share of the whole is below `share`; one row a day, one column a pair."""
    sums = np.zeros((len(EFFECTS), part.shape[1]))
    weights = [np.log((1.0 - effect * share) / (1.0 - share)) for effect in EFFECTS]
    for day_part, day_whole in zip(part, whole, strict=True):
        for place, effect in enumerate(EFFECTS):
            log_e = (day_part * np.log(effect) + (day_whole - day_part) * weights[place]) / dispersion
            sums[place] = np.minimum(MOST, (1.0 + sums[place]) * np.exp(np.minimum(DAY_CAP, log_e)))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(sums.mean(axis=0)))
