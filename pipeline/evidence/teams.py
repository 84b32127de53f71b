"""Who is new in an account, and teams of them: users of an e-mail domain of which nobody was there before."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from pipeline.state.members import last_days
from pipeline.state.users import Users
from pipeline.terms.arrays import I32, U64, Bools, Places

MIN_TEAM = 3
"""New users of one e-mail domain that make a team."""
_FOUR_WEEKS = np.uint64((1 << 28) - 1)


def are_new(days: U64, day: int) -> Bools:
    """Which day rings are active in the last four weeks and were not in the twelve before."""
    recent = last_days(days, day, 56)
    new = (recent >> np.uint64(28) != 0) & (recent & _FOUR_WEEKS == 0)
    new[new] = last_days(days[new], day - 56, 56) == 0
    return np.asarray(new)


def new_teams(users: Users, places: I32, new: Places, day: int) -> dict[bytes, int]:
    """New users by e-mail domain, of the domains that have enough of them and of which nobody was there before.

    `places` are those of all users of one account, `new` those of its new ones.
    """
    counts = Counter(domain_of(users.ids[place]) for place in new.tolist())
    before = (last_days(users.bits[places], day - 28, 28) | last_days(users.bits[places], day - 56, 56)) != 0
    old = {domain_of(users.ids[place]) for place in places[before].tolist()} - {b""}
    known = old | {b""}
    return {domain: count for domain, count in counts.items() if old and count >= MIN_TEAM and domain not in known}


def domain_of(user_id: Any) -> bytes:
    """What stands behind the last @ of a user's id; nothing without one."""
    _, at, domain = bytes(user_id).rpartition(b"@")
    return domain if at else b""
