"""Members of accounts counted as of a day: users and features, and the power users among the users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.evidence.features import Features, abandoned
from pipeline.evidence.power import PowerUsers, power_users
from pipeline.evidence.roles import Roles, declining, role_then
from pipeline.evidence.share import Owners, Reference, per_account, reference
from pipeline.evidence.successions import Moves, People, moves
from pipeline.state.members import Members, last_days
from pipeline.state.users import Users
from pipeline.terms.arrays import I32, I64, U64


@dataclass(frozen=True, slots=True)
class Activity:
    """Members of each account counted as of a day; arrays with one entry per account."""

    active_28: I64
    """Members active in the last 28 days."""
    settled_28: I64
    """Of these, those active before the last week, in the last 84 days."""
    active_before: I64
    """Members active in the 28 days before."""
    days_28: I64
    """Member-days of the last 28 days."""
    days_base: I64
    """Member-days of the 56 days before."""
    most_28: I64
    """Days of the last 28 on which the most active member was."""
    most_base: I64
    """The same of the 56 days before."""

    def part(self, rows: slice) -> Activity:
        """The same for some of the accounts."""
        return Activity(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def activity(bits: U64, owners: Owners, accounts: int, day: int) -> Activity:
    """Count members and member-days per account as of a day."""
    recent = last_days(bits, day, 28)
    base = last_days(bits, day - 28, 56)
    most, most_base = np.zeros(accounts, dtype=np.int64), np.zeros(accounts, dtype=np.int64)
    np.maximum.at(most, owners, np.bitwise_count(recent).astype(np.int64))
    np.maximum.at(most_base, owners, np.bitwise_count(base).astype(np.int64))
    return Activity(
        per_account(owners, recent != 0, accounts),
        per_account(owners, (recent != 0) & ((recent << np.uint64(43) | base) != 0), accounts),
        per_account(owners, (base >> np.uint64(28)) != 0, accounts),
        per_account(owners, np.bitwise_count(recent), accounts),
        per_account(owners, np.bitwise_count(base), accounts),
        most,
        most_base,
    )


@dataclass(slots=True)
class Census:
    """Member counts of a set of accounts as of one day."""

    reference: Reference
    users: Activity
    features: Activity
    power: PowerUsers
    abandonment: Features
    roles: Roles
    moves: Moves
    people: People
    """All of them, for what is looked at of a few accounts only."""
    power_places: I32
    power_owners: I64
    """Where the power users of all accounts stand, and whose they are."""

    def part(self, rows: slice) -> Census:
        """The same for some of the accounts."""
        return Census(
            self.reference.part(rows),
            self.users.part(rows),
            self.features.part(rows),
            self.power.part(rows),
            self.abandonment.part(rows),
            self.roles.part(rows),
            self.moves.part(rows),
            self.people,
            self.power_places,
            self.power_owners,
        )


def census(people: People, features: Members, first_usage_day: I32, day: int) -> Census:
    """Count the members of all accounts of a partition, given the first day of use of each."""
    users, named = people.users, slice(1, features.size)
    in_use = (features.bits[named], features.owner[named])
    found = moves(people.successions, users.owner[people.successions.former], len(first_usage_day), day)
    period = reference(first_usage_day, day)
    return _count(people, slice(1, users.size), users.owner[1 : users.size], in_use, found, period)


def census_of(users: Users, features: Members, rows: I32, first_usage_day: I32, day: int) -> Census:
    """Count the members of a few accounts, given the first day of use of each."""
    places, owners = users.of(rows)
    named, feature_owners = features.of(rows)
    people = People(users, places, day)
    order = np.argsort(places)
    of_pairs = owners[order[np.searchsorted(places[order], people.successions.former)]]
    in_use, found = (features.bits[named], feature_owners), moves(people.successions, of_pairs, len(rows), day)
    return _count(people, places, owners, in_use, found, reference(first_usage_day, day))


def _count(
    people: People,
    places: slice | I32,
    owners: Owners,
    features: tuple[U64, Owners],
    found: Moves,
    period: Reference,
) -> Census:
    """Count users at some places and features given as day rings, both with the accounts that they belong to."""
    # Counting takes places of this width; it would widen them each time.
    bits, owners = people.days(places), owners.astype(np.int64)
    features = features[0], features[1].astype(np.int64)
    accounts, day = len(period.weeks), period.day
    power, who = power_users(bits, owners, period)
    return Census(
        period,
        activity(bits, owners, accounts, day),
        activity(*features, accounts, day),
        power,
        abandoned(*features, period),
        declining(bits, owners, roles_of(people.users, places, period.first_day, owners), period),
        found,
        people,
        np.asarray(who + places.start if isinstance(places, slice) else places[who], dtype=np.int32),
        owners[who],
    )


def roles_of(users: Users, places: slice | I32, first_day: I64, owners: Owners) -> U64:
    """Roles of users in the references of their accounts by the first days of these; 0 where none is known."""
    role = users.role[places]
    if not role.any():
        return role
    return role_then(role, users.former_role[places], users.former_day[places], first_day[owners])
