"""Who moved what an alert tells of: the users or features of the account whose activity changed most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.evidence.census import roles_of
from pipeline.evidence.level import BASELINE_DAYS, LAG_DAYS, MIN_DAYS, SETTLED_AGE
from pipeline.evidence.power import power_of
from pipeline.evidence.roles import declining
from pipeline.evidence.share import Reference, reference
from pipeline.state.members import Members, last_days
from pipeline.state.state import State
from pipeline.terms.arrays import F64, I32
from pipeline.terms.kind import Kind, Sought

MAX_CONTRIBUTORS = 5


def contributors(state: State, row: int, day: int, kind: Kind) -> list[dict[str, Any]]:
    """The members of an account that explain an alert of a kind as of a day: at most five, the largest change first.

    `change` is in active days a week: of the last week against the usual.
    """
    age = day - int(state.accounts.first_usage_day[row]) + 1
    found: list[dict[str, Any]] = []
    for sought in kind.contributors:
        found += _changed(state, row, day, age, sought)
    return found[:MAX_CONTRIBUTORS]


def _changed(state: State, row: int, day: int, age: int, sought: Sought) -> Iterator[dict[str, Any]]:
    whom, sign = sought
    members = state.features if whom == "features" else state.users
    places = members.of_one(row)
    if whom == "power":
        owners = np.zeros(len(places), dtype=np.int32)
        places = places[power_of(members.bits[places], owners, _reference(state, row, day))]
    elif whom == "role":
        places, role = _declining_role(state, places, _reference(state, row, day))
        if role is not None:
            together = float(_weekly_change(members, places, day, age).sum())
            yield {"kind": "role", "ref": role, "change": round(together, 4)}
    elif whom not in ("users", "features"):
        places = places[members.hashes[places] == getattr(state.accounts, whom)[row]]
    change = sign * _weekly_change(members, places, day, age)
    order = np.lexsort((members.hashes[places], -change))[:MAX_CONTRIBUTORS]
    for place in order[change[order] > 0].tolist():
        ref = members.ids[places[place]].decode("utf-8", "replace")
        kind = "feature" if whom == "features" else "user"
        yield {"kind": kind, "ref": ref, "change": round(sign * float(change[place]), 4)}


def _reference(state: State, row: int, day: int) -> Reference:
    return reference(state.accounts.first_usage_day[[row]], day)


def _declining_role(state: State, places: I32, period: Reference) -> tuple[I32, str | None]:
    """Of an account's users those of the role that surely does less, and its name if that is known."""
    owners = np.zeros(len(places), dtype=np.int32)
    roles = roles_of(state.users, places, period.first_day, owners)
    role = declining(state.users.bits[places], owners, roles, period).role
    return places[(roles == role[0]) & (roles != 0)], state.users.role_names.of(int(role[0]))


def _weekly_change(members: Members, places: I32, day: int, age: int) -> F64:
    """Active days of the last week less those of a usual one; the usual ones are those of the expected level."""
    bits, lag = members.bits[places], LAG_DAYS if age >= SETTLED_AGE else max(MIN_DAYS, age // 2)
    days = min(BASELINE_DAYS, age - lag)
    if days < MIN_DAYS:
        return np.zeros(len(places))
    week = np.bitwise_count(last_days(bits, day, 7)).astype(np.float64)
    return np.asarray(week - np.bitwise_count(last_days(bits, day - lag, days)) * (7.0 / days))
