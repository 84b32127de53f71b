"""What accounts did day by day beside what was expected, and who uses the product most, for their health records."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from pipeline.evidence.gaps import silent_days
from pipeline.evidence.view import View
from pipeline.state.members import last_days
from pipeline.terms.arrays import Places

Record = dict[str, Any]
MAX_POWER_USERS = 10


def activity_records(view: View, places: Places, days: int) -> list[Record | None]:
    """The last `days` days of the accounts at some places; those since the first use, None before it."""
    first, level = view.day - days + 1, view.level.at(places)
    begins = np.maximum(first, view.first_usage_day[places]).tolist()
    actions, users = (view.columns(name, first, view.day, places).T.tolist() for name in ("actions", "active_users"))
    expected = np.round(view.means(level, first, view.day, places), 3).T.tolist()
    figures = zip(begins, actions, users, expected, level.defined.tolist(), level.dispersion.tolist(), strict=True)
    return [
        {
            "first_day": begin,
            "actions": done[begin - first :],
            "users": came[begin - first :],
            "expected": usual[begin - first :] if defined else None,
            "dispersion": round(dispersion, 4) if defined else None,
        }
        if begin <= view.day
        else None
        for begin, done, came, usual, defined, dispersion in figures
    ]


def power_user_records(view: View, rows: Places) -> list[list[Record]]:
    """The power users of the accounts in some rows, ten at most: first who stays away longest, then who comes least."""
    people, concerned = view.people, np.zeros(len(view.accounts) + 1, dtype=np.bool_)
    concerned[rows] = True
    found = np.flatnonzero(concerned[view.power_owners])
    who, account = view.power_places[found], np.searchsorted(rows, view.power_owners[found])
    bits = people.days(who)
    away, came = silent_days(bits, view.day), np.bitwise_count(last_days(bits, view.day, 28))
    # One number to sort by: the rest of it says whose hash is smaller.
    quiet = (account << 12) + ((127 - away) << 5) + came
    order = np.argsort((quiet.astype(np.uint64) << np.uint64(32)) + (people.users.hashes[who] >> np.uint64(32)))
    account = account[order]
    shown = np.arange(len(who)) - np.searchsorted(account, account) < MAX_POWER_USERS
    order, account = order[shown], account[shown]
    refs = people.users.ids[people.latest(who[order])].tolist()
    told = [
        {"ref": ref.decode("utf-8", "replace"), "last_active_day": last, "active_days": days}
        for ref, last, days in zip(refs, (view.day - away[order]).tolist(), came[order].tolist(), strict=True)
    ]
    ends = np.searchsorted(account, np.arange(len(rows) + 1)).tolist()
    return [told[begin:end] for begin, end in pairwise(ends)]
