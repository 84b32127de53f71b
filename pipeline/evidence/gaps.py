"""How long it is since a member was last active, and whether anybody who knew them is still there."""

from __future__ import annotations

import numpy as np

from pipeline.state.members import last_days
from pipeline.terms.arrays import I32, I64, U64, Bools

OUT_OF_SIGHT = 128
"""Days since an account's last active day, when none is remembered."""
KNOWN_DAYS = 28
"""Before a member's last day, in which others must have been active to have been there with them."""


def silent_days(bits: U64, day: int) -> I64:
    """Days since the last active one of the 120 that end with `day`; 0 when none was."""
    near, far = (bit_length(last_days(bits, last, count)) for last, count in ((day, 64), (day - 64, 56)))
    return np.where(near > 0, 64 - near, np.where(far > 0, 120 - far, 0))


def bit_length(words: U64) -> I64:
    """Number of the highest bit that is set, from 1; 0 when none is."""
    for shift in (1, 2, 4, 8, 16, 32):
        words = words | (words >> np.uint64(shift))
    return np.bitwise_count(words).astype(np.int64)


def renamed(bits: U64, owners: I32, gap: I64, day: int) -> Bools:
    """For each silent member, whether all who are active in the account today are new since they were.

    `bits` are the rings of the members of all their accounts, `owners` tells whose silence each belongs to. Where
    everybody is new, people have got other ids, and who is silent is not known.
    """
    active = last_days(bits, day, 7) != 0
    bits, owners = bits[active], owners[active]
    known = np.zeros(len(gap), dtype=np.bool_)
    for days in np.unique(gap[owners]).tolist():
        among = gap[owners] == days
        known[owners[among & (last_days(bits, day - days, KNOWN_DAYS) != 0)]] = True
    anybody = np.bincount(owners, minlength=len(gap)) > 0
    return np.asarray(anybody & ~known)
