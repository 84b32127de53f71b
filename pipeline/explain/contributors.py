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
from pipeline.evidence.successions import People
from pipeline.state.members import last_days
from pipeline.state.state import State
from pipeline.terms.arrays import F64, I32, U64, Bools
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
    people = People(state.users, places, day) if whom in ("users", "power", "role") else None
    bits = members.bits[places] if people is None else people.days(places)
    chosen = np.ones(len(places), dtype=np.bool_)
    if whom == "power":
        chosen = power_of(bits, np.zeros(len(places), dtype=np.int32), _reference(state, row, day))
    elif whom == "role":
        chosen, role = _declining_role(state, places, bits, _reference(state, row, day))
        if role is not None:
            together = float(_weekly_change(bits[chosen], day, age).sum())
            yield {"kind": "role", "ref": role, "change": round(together, 4)}
    elif whom not in ("users", "features"):
        chosen = members.hashes[places] == getattr(state.accounts, whom)[row]
    places = places[chosen]
    change = sign * _weekly_change(bits[chosen], day, age)
    order = np.lexsort((members.hashes[places], -change))[:MAX_CONTRIBUTORS]
    for place in order[change[order] > 0].tolist():
        own = int(places[place])
        ref = members.ids[own if people is None else people.latest(own)].decode("utf-8", "replace")
        kind = "feature" if whom == "features" else "user"
        yield {"kind": kind, "ref": ref, "change": round(sign * float(change[place]), 4)}


def _reference(state: State, row: int, day: int) -> Reference:
    return reference(state.accounts.first_usage_day[[row]], day)


def _declining_role(state: State, places: I32, bits: U64, period: Reference) -> tuple[Bools, str | None]:
    """Which of an account's users have the role that surely does less, and its name if that is known."""
    owners = np.zeros(len(places), dtype=np.int32)
    roles = roles_of(state.users, places, period.first_day, owners)
    role = declining(bits, owners, roles, period).role
    return (roles == role[0]) & (roles != 0), state.users.role_names.of(int(role[0]))


def _weekly_change(bits: U64, day: int, age: int) -> F64:
    """Active days of the last week less those of a usual one; the usual ones are those of the expected level."""
    lag = LAG_DAYS if age >= SETTLED_AGE else max(MIN_DAYS, age // 2)
    days = min(BASELINE_DAYS, age - lag)
    if days < MIN_DAYS:
        return np.zeros(len(bits))
    week = np.bitwise_count(last_days(bits, day, 7)).astype(np.float64)
    return np.asarray(week - np.bitwise_count(last_days(bits, day - lag, days)) * (7.0 / days))
