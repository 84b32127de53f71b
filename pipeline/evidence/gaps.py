"""How long it is since a member was last active, and whether they have got another id since."""

from __future__ import annotations

import numpy as np

from pipeline.state.members import last_days
from pipeline.terms.arrays import I32, I64, U64, Bools

KNOWN_DAYS = 28
"""Before a member's last day, in which others must have been active to have been there with them."""
MIN_FOLLOWED, FOLLOWED_SHARE = 2, 0.15
"""Of those who were there with a member and have got other ids, for the member to have got one too."""


def silent_days(bits: U64, day: int) -> I64:
    """Days since the last active one of the 120 that end with `day`; 0 when none was."""
    near, far = (bit_length(last_days(bits, last, count)) for last, count in ((day, 64), (day - 64, 56)))
    return np.where(near > 0, 64 - near, np.where(far > 0, 120 - far, 0))


def bit_length(words: U64) -> I64:
    """Number of the highest bit that is set, from 1; 0 when none is."""
    for shift in (1, 2, 4, 8, 16, 32):
        words = words | (words >> np.uint64(shift))
    return np.bitwise_count(words).astype(np.int64)


def renamed(bits: U64, owners: I32, followed: Bools, gap: I64, own: Bools, day: int) -> Bools:
    """For each silent id, whether people have got other ids since, so that who is silent is not known.

    That is so where all who are active in the account today are new since, and where another id goes on for this one
    (`own`) and for a quarter of those who were there with it. `bits` are the rings of the ids of all their accounts,
    `owners` tells whose silence each belongs to, `followed` for which of them others go on.
    """
    active = last_days(bits, day, 7) != 0
    there = np.zeros(len(owners), dtype=np.bool_)
    for days in np.unique(gap[owners]).tolist():
        among = gap[owners] == days
        there |= among & (last_days(bits, day - days, KNOWN_DAYS) != 0)

    def count(chosen: Bools) -> I64:
        return np.bincount(owners[chosen], minlength=len(gap))

    others, of_these = count(there & followed), count(there)
    moved = own & (others >= MIN_FOLLOWED) & (others >= FOLLOWED_SHARE * of_these)
    return np.asarray(moved | ((count(active) > 0) & (count(active & there) == 0)))
