"""A part's share of a whole: its reference period, and the evidence that it has fallen since.

Method: likelihood ratio of the part given the whole, so that a holiday, growth or an outage, which move both alike,
cancel; as a Shiryaev–Roberts e-detector over days, tempered by the dispersion.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.hashing import U64
from pipeline.members import last_days
from pipeline.records import I64

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
EFFECTS = (0.6, 0.3)
DAYS = 21
REFERENCE_WEEKS = 12
REFERENCE_DAYS = 7 * REFERENCE_WEEKS
DAY_CAP = 50.0
MOST = 1e260
"""At which the statistic stops, so that weeks of large accounts stay within a float."""


def per_account(owners: I32, values: npt.NDArray[np.generic], accounts: int) -> I64:
    """Sum of the members' values by account."""
    return np.bincount(owners, weights=values.astype(np.float64), minlength=accounts).astype(np.int64)


def reference_start(day: int) -> int:
    """First day after the reference period in force: a multiple of 7, before the days that are judged."""
    return 7 * ((day - DAYS + 1) // 7)


def reference_of(bits: U64, day: int) -> tuple[U64, U64]:
    """The reference's first 28 days and its last 56, one word a member."""
    start = reference_start(day)
    return last_days(bits, start - 57, 28), last_days(bits, start - 1, 56)


def by_day(words: U64, owners: I32, accounts: int, days: int, width: int = 1) -> I64:
    """Member-days by account, one row for each `width` days, oldest first."""
    mask = np.uint64((1 << width) - 1)
    rows = [
        per_account(owners, np.bitwise_count((words >> np.uint64(first)) & mask), accounts)
        for first in range(0, days, width)
    ]
    return np.array(rows, dtype=np.int64).reshape(days // width, accounts)


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
