"""A part's share of a whole: its reference period, and the evidence that it has fallen since.

The reference is as long as the account is known, up to twelve weeks, and older than the days that are judged. What is
asked of twelve weeks is asked of fewer in proportion; of fewer, chance explains more.

Method: likelihood ratio of the part given the whole, so that a holiday, growth or an outage, which move both alike,
cancel; as a Shiryaev–Roberts e-detector over days, tempered by the dispersion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.state.members import last_days
from pipeline.terms.arrays import F64, I32, I64, U64, Bools, Places

Owners = I32 | I64
EFFECTS = (0.6, 0.3)
DAYS, YOUNG_DAYS = 21, 14
"""That are judged; the fewer where only so the reference has its least number of weeks."""
REFERENCE_WEEKS, MIN_REFERENCE_WEEKS = 12, 3
MATERIAL_WEEK, MATERIAL_FORTNIGHT = 0.75, 0.8
"""What a part's last 7 and 14 days must be below against its own usual ones, and its share in the last 7."""
MIN_DISPERSION = 1.25
PRIOR_DISPERSION, PRIOR_WEEKS = 1.35, 15
SHARE_QUANTILE, DISPERSION_QUANTILE = 0.5, 1.0
MAX_SAFE_SHARE, MIN_SAFE_SHARE = 0.98, 0.05
DAY_CAP = 50.0
MOST = 1e260
"""At which the statistic stops, so that weeks of large accounts stay within a float."""


def per_account(owners: Owners, values: npt.NDArray[np.generic], accounts: int) -> I64:
    """Sum of the members' values by account."""
    return np.bincount(owners, weights=values.astype(np.float64), minlength=accounts).astype(np.int64)


def _last_weeks(weeks: int, of: int) -> int:
    """In a word of so many weeks the days of the last of them."""
    return (1 << 7 * of) - (1 << 7 * (of - weeks))


_EARLY = np.array([_last_weeks(max(weeks - 8, 0), 4) for weeks in range(REFERENCE_WEEKS + 1)], dtype=np.uint64)
_LATE = np.array([_last_weeks(min(weeks, 8), 8) for weeks in range(REFERENCE_WEEKS + 1)], dtype=np.uint64)
"""The days of a reference of so many weeks in the words of its first four weeks and of its other eight."""
_JUDGED_YOUNG = np.uint64(_last_weeks(YOUNG_DAYS // 7, DAYS // 7))


@dataclass(frozen=True, slots=True)
class Reference:
    """What the last days of accounts are compared with; one entry per account."""

    day: int
    weeks: I64
    """0 where the account is too young to be judged."""
    young: Bools
    """Where 14 days are judged, and the reference ends a week later."""

    def part(self, rows: slice | Places) -> Reference:
        """The same for some of the accounts."""
        return Reference(self.day, self.weeks[rows], self.young[rows])

    @property
    def known(self) -> Bools:
        """Whether the account can be judged."""
        return self.weeks > 0

    @property
    def usual_weeks(self) -> I64:
        """Weeks to divide by; 1 where there are none, and nothing in them."""
        return np.maximum(self.weeks, 1)

    @property
    def days(self) -> I64:
        """That are judged."""
        return np.where(self.young, YOUNG_DAYS, DAYS)

    @property
    def first_day(self) -> I64:
        """Of the reference."""
        return _end(self.day) + 7 * (self.young - self.weeks)

    def words(self, bits: U64, owners: Owners) -> tuple[U64, U64, U64]:
        """The reference's first 28 days, its last 56, and the 21 since, one word a member; other days are empty."""
        end = _end(self.day)
        early, late = last_days(bits, end - 57, 28), last_days(bits, end - 1, 56)
        recent = last_days(bits, self.day, DAYS)
        weeks = self.weeks.astype(np.uint8)[owners]
        short = np.flatnonzero(weeks < REFERENCE_WEEKS)
        if len(short):
            young = short[self.young[owners[short]]]
            late[young] = last_days(bits[young], end + 6, 56)
            recent[young] &= _JUDGED_YOUNG
            early[short] &= _EARLY[weeks[short]]
            late[short] &= _LATE[weeks[short]]
        return early, late, recent


def reference(first_usage_day: npt.NDArray[np.integer], day: int) -> Reference:
    """The reference as of a day of accounts by their first day of use."""
    weeks = (_end(day) - first_usage_day.astype(np.int64)) // 7
    young = weeks == MIN_REFERENCE_WEEKS - 1
    weeks = np.where(weeks + young >= MIN_REFERENCE_WEEKS, np.minimum(weeks + young, REFERENCE_WEEKS), 0)
    return Reference(day, weeks, young)


def _end(day: int) -> int:
    """First day after the reference period of most accounts: a multiple of 7, before the days that are judged."""
    return 7 * ((day - DAYS + 1) // 7)


def by_day(words: U64, owners: Owners, accounts: int, days: int, width: int = 1) -> I64:
    """Member-days by account, one row for each `width` days, oldest first."""
    mask = np.uint64((1 << width) - 1)
    rows = [
        per_account(owners, np.bitwise_count((words >> np.uint64(first)) & mask), accounts)
        for first in range(0, days, width)
    ]
    return np.array(rows, dtype=np.int64).reshape(days // width, accounts)


def reference_by_day(early: U64, late: U64, owners: Owners, accounts: int) -> I64:
    """Member-days of the reference by account, one row a day; the words are those of `Reference.words`."""
    return np.concatenate([by_day(early, owners, accounts, 28), by_day(late, owners, accounts, 56)])


@dataclass(frozen=True, slots=True)
class Pace:
    """Member-days of parts: of the reference, of the last 7 and 14 days; or of the wholes that they belong to."""

    days: I64
    week: I64
    fortnight: I64


def is_less(part: Pace, all_days: I64, all_week: I64, weeks: I64) -> Bools:
    """Where a part does materially less than its usual in so many weeks, by itself and of the whole."""
    less = part.week <= MATERIAL_WEEK * part.days / weeks
    less &= part.fortnight <= MATERIAL_FORTNIGHT * part.days / (0.5 * weeks)
    return np.asarray(
        less & (all_week > 0) & (part.week * all_days <= MATERIAL_WEEK * part.days * all_week), dtype=np.bool_
    )


def usual(part: I64, whole: I64, weeks: I64, kept: F64 | float = 1.0) -> tuple[F64, F64]:
    """Lower bound of the share in the reference's days, and its dispersion against a binomial; one row a day.

    Single days show how much people vary together; weeks, fewer and therefore with a prior, what lasts for days.

    Args:
        part: member-days of the 84 days that end with the reference, one row a day; those before it are empty.
        whole: the same of all.
        weeks: of the reference.
        kept: what is left of the part's days where it was not chosen for them.
    """
    days, everyone = part.sum(axis=0), np.maximum(whole.sum(axis=0), 1)
    mean = days / everyone
    spread = mean * (1.0 - mean)
    daily = _squares(part, whole, mean).sum(axis=0) / np.where(spread > 0, everyone * spread, np.inf)
    daily *= 1.0 + DISPERSION_QUANTILE * np.sqrt(2.0 / (7 * weeks - 1))
    by_week, all_by_week = (values.reshape(REFERENCE_WEEKS, 7, -1).sum(axis=1) for values in (part, whole))
    expected = all_by_week * spread
    ratios = _squares(by_week, all_by_week, mean) / np.where(expected > 0, expected, np.inf)
    weekly = (ratios.sum(axis=0) + PRIOR_WEEKS * PRIOR_DISPERSION) / (weeks - 1 + PRIOR_WEEKS)
    dispersion = np.maximum(MIN_DISPERSION, np.maximum(daily, weekly))
    mean = mean * kept
    error = np.sqrt(dispersion * mean * (1.0 - mean) / everyone)
    safe = mean - SHARE_QUANTILE * np.sqrt(REFERENCE_WEEKS / weeks) * error
    return np.minimum(MAX_SAFE_SHARE, safe), dispersion


def _squares(part: I64, whole: I64, share_of_whole: F64) -> F64:
    return np.asarray((part - whole * share_of_whole) ** 2)


def fallen_since(part: I64, whole: I64, safe: F64, dispersion: F64, days: I64) -> F64:
    """`fallen` for shares that are not too small to fall; −∞ for others."""
    judged = safe > MIN_SAFE_SHARE
    return np.where(judged, fallen(part, whole, np.where(judged, safe, 0.5), dispersion, days), -np.inf)


def fallen(part: I64, whole: I64, share: F64, dispersion: F64 | float, days: I64 | int = DAYS) -> F64:
    """Log evidence that the part's share of the whole is below `share`; one row a day, one column a pair.

    Of the rows, the last `days` of each pair are judged; those before them are empty.
    """
    sums = np.zeros((len(EFFECTS), part.shape[1]))
    weights = [np.log((1.0 - effect * share) / (1.0 - share)) for effect in EFFECTS]
    for number, (day_part, day_whole) in enumerate(zip(part, whole, strict=True)):
        begun = number >= len(part) - days
        for place, effect in enumerate(EFFECTS):
            log_e = (day_part * np.log(effect) + (day_whole - day_part) * weights[place]) / dispersion
            sums[place] = np.minimum(MOST, (begun + sums[place]) * np.exp(np.minimum(DAY_CAP, log_e)))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(sums.mean(axis=0)))
