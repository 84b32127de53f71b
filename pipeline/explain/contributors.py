"""Who moved what an alert tells of: the users or features of the account whose activity changed most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.alerts.records import MAX_CONTRIBUTORS, contact
from pipeline.evidence.census import roles_of
from pipeline.evidence.gaps import silent_days
from pipeline.evidence.level import BASELINE_DAYS, LAG_DAYS, MIN_DAYS, SETTLED_AGE
from pipeline.evidence.power import power_of
from pipeline.evidence.roles import declining
from pipeline.evidence.share import Reference, reference
from pipeline.evidence.successions import People
from pipeline.evidence.teams import are_new, domain_of, new_teams
from pipeline.state.members import last_days
from pipeline.state.state import State
from pipeline.terms.arrays import F64, I32, U64, Bools
from pipeline.terms.hashing import hash_text
from pipeline.terms.kind import Kind, Sought


def contributors(state: State, row: int, day: int, kind: Kind, who: str = "") -> list[dict[str, Any]]:
    """Who and what explains an alert of a kind as of a day: the contact whom it is about, then members of the account.

    Five at most, the largest change first. `change` is in active days a week: of the last week against the usual.
    """
    age = day - int(state.accounts.first_usage_day[row]) + 1
    found = [_person(state, row, day, age, who)] if who else []
    for sought in kind.contributors:
        found += _changed(state, row, day, age, sought)
    return found[:MAX_CONTRIBUTORS]


def _person(state: State, row: int, day: int, age: int, who: str) -> dict[str, Any]:
    """A contact, and what the user of that id does."""
    users = state.users
    places = users.named(state.accounts.hashes[[row]], np.array([hash_text(who)], dtype=np.uint64))
    bits = users.bits[places]
    if not last_days(bits, day, 64).any() and not last_days(bits, day - 64, 56).any():
        return contact(who)
    return contact(who) | _activity(state, bits[0], float(_weekly_change(bits, day, age)[0]), day)


def _activity(state: State, bits: U64, change: float, day: int) -> dict[str, Any]:
    """What is told of a day ring that was active lately."""
    last = day - int(silent_days(bits[None], day)[0])
    return {"change": round(change, 4), "last_active_at": state.days.start_ms(last)}


def _changed(state: State, row: int, day: int, age: int, sought: Sought) -> Iterator[dict[str, Any]]:
    whom, sign = sought
    members = state.features if whom == "features" else state.users
    places = members.of_one(row)
    people = People(state.users, places, day) if whom != "features" else None
    bits = members.bits[places] if people is None else people.days(places)
    chosen = np.ones(len(places), dtype=np.bool_)
    if whom == "power":
        chosen = power_of(bits, np.zeros(len(places), dtype=np.int32), _reference(state, row, day))
    elif whom == "top":
        month = np.bitwise_count(last_days(bits, day, 28))
        chosen = month == month.max(initial=1)
    elif whom == "role":
        chosen, role = _declining_role(state, places, bits, _reference(state, row, day))
        if role is not None:
            yield _together("role", role, _weekly_change(bits[chosen], day, age))
    elif whom == "team":
        new = are_new(bits, day)
        domains = np.array([domain_of(each) for each in members.ids[places]], dtype=object)
        chosen = np.zeros(len(places), dtype=np.bool_)
        for domain in sorted(new_teams(state.users, places, np.asarray(places[new]), day)):
            team = new & (domains == domain)
            yield _together("team", domain.decode("utf-8", "replace"), _weekly_change(bits[team], day, age))
            chosen |= team
    places, bits = places[chosen], bits[chosen]
    change = sign * _weekly_change(bits, day, age)
    order = np.lexsort((members.hashes[places], -change))[:MAX_CONTRIBUTORS]
    named = places if people is None else people.latest(places)
    for place in order[(change[order] > 0) | (whom == "top")].tolist():
        ref = members.ids[named[place]].decode("utf-8", "replace")
        kind = "feature" if whom == "features" else "user"
        yield {"kind": kind, "ref": ref} | _activity(state, bits[place], sign * float(change[place]), day)


def _together(kind: str, name: str, change: F64) -> dict[str, Any]:
    """Users by what they have in common."""
    return {"kind": kind, "ref": name, "change": round(float(change.sum()), 4), "last_active_at": None}


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
