"""Roles of users: whose share of all user-days has fallen.

A role's users are those who had it in the reference, or have it and are new since: nobody takes days away from a role
by getting another one, or another name of it. Users not seen since a role was renamed are therefore never set against
those who were. The whole of which a role is a part leaves out who came since with other roles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.evidence import share
from pipeline.terms.arrays import F64, I32, I64, U8, U64, Bools, Places

MIN_USERS = 3
"""Of a role, active in the reference."""
MIN_SHARE, MAX_SHARE = 0.05, 0.95
"""Of all user-days of the reference; what most users have falls when all falls."""

_WEEK, _FORTNIGHT = np.uint64(share.DAYS - 7), np.uint64(share.DAYS - 14)
"""What a word of the days that are judged is shifted by for its last ones."""
_DENSE = 4
"""Pairs of account and role for each user up to which those without users are not left out: it is quicker."""


@dataclass(frozen=True, slots=True)
class Roles:
    """One entry per account."""

    low: I64
    """Roles that do materially less than they use to."""
    role: U64
    """Of these the one with most evidence; 0 without any."""
    observed: F64
    expected: F64
    """Its share of the user-days of the last 7 days and of the reference."""
    evidence: F64
    """Log of the mean e-detector of the judged roles, −∞ where none is low."""

    def part(self, rows: slice) -> Roles:
        """The same for some of the accounts."""
        return Roles(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def role_then(role: U64, former_role: U64, former_day: I32, first_day: I64) -> U64:
    """Each user's role in a reference by its first day: the former one if it was told then or since."""
    return np.where(former_day >= first_day, former_role, role)


@dataclass(frozen=True, slots=True)
class _Users:
    """Users with a role, one entry each: their account, pair of account and role, and days."""

    owners: share.Owners
    pairs: I64
    early: U64
    late: U64
    recent: U64
    known: Bools
    """Active in the reference."""

    @property
    def days(self) -> U8:
        """Active ones of the reference."""
        return np.bitwise_count(self.early) + np.bitwise_count(self.late)

    @property
    def week(self) -> U8:
        """Active ones of the last 7."""
        return np.asarray(np.bitwise_count(self.recent >> _WEEK))

    def of(self, chosen: Bools) -> _Users:
        """Some of them."""
        return _Users(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of an account and a role, one entry each; user-days."""

    account: I64
    role: U64
    users: I64
    """Active in the reference."""
    pace: share.Pace
    all_days: I64
    all_week: I64
    """Of the wholes that the roles are parts of."""

    @property
    def judged(self) -> Bools:
        """Roles of enough users and neither hardly any nor most of the activity."""
        few, most = MIN_SHARE * self.all_days, MAX_SHARE * self.all_days
        return (self.users >= MIN_USERS) & (self.pace.days >= few) & (self.pace.days <= most)


def declining(bits: U64, owners: share.Owners, roles: U64, reference: share.Reference) -> Roles:
    """Judge the roles of each account; `roles` are those of the reference, 0 where none is known."""
    accounts = len(reference.weeks)
    found = Roles(
        np.zeros(accounts, dtype=np.int64),
        np.zeros(accounts, dtype=np.uint64),
        np.zeros(accounts),
        np.zeros(accounts),
        np.full(accounts, -np.inf),
    )
    told = np.flatnonzero(roles)
    if not len(told):
        return found
    if len(told) < len(roles):
        bits, owners, roles = bits[told], owners[told], roles[told]
    own, account, role = _pairs(owners, roles, accounts)
    early, late, recent = reference.words(bits, owners)
    users = _Users(owners, own, early, late, recent, (early | late) != 0)
    weeks = reference.usual_weeks[account]
    users = users.of(_perhaps_low(users, account, accounts, weeks)[owners])
    pairs = _count(users, account, role, accounts)
    low = np.flatnonzero(pairs.judged & share.is_less(pairs.pace, pairs.all_days, pairs.all_week, weeks))
    if len(low):
        _judge(found, users, pairs, low, reference)
    return found


def _perhaps_low(users: _Users, account: I64, accounts: int, weeks: I64) -> Bools:
    """Accounts with a role whose last week is below its own usual one; no other has a role that is low."""
    usual = share.per_account(users.pairs, users.days, len(account))
    week = share.per_account(users.pairs, users.week, len(account))
    found = np.zeros(accounts, dtype=np.bool_)
    found[account[(usual > 0) & (week <= share.MATERIAL_WEEK * usual / weeks)]] = True
    return found


def _count(users: _Users, account: I64, role: U64, accounts: int) -> _Pairs:
    days, week = users.days, users.week
    pace = share.Pace(
        share.per_account(users.pairs, days, len(role)),
        share.per_account(users.pairs, week, len(role)),
        share.per_account(users.pairs, np.bitwise_count(users.recent >> _FORTNIGHT), len(role)),
    )
    known_week = share.per_account(users.owners, np.where(users.known, week, 0), accounts)
    new_week = share.per_account(users.pairs, np.where(users.known, 0, week), len(role))
    return _Pairs(
        account,
        role,
        share.per_account(users.pairs, users.known, len(role)),
        pace,
        share.per_account(users.owners, days, accounts)[account],
        known_week[account] + new_week,
    )


def _judge(found: Roles, users: _Users, pairs: _Pairs, low: Places, reference: share.Reference) -> None:
    """Note what is found of the roles that are low."""
    accounts, account, role = len(found.low), pairs.account[low], pairs.role[low]
    evidence = _evidence(users, low, account, reference)
    found.low[:] = np.bincount(account, minlength=accounts)
    judged = np.bincount(pairs.account[pairs.judged], minlength=accounts)
    mean = np.bincount(account, weights=np.exp(evidence), minlength=accounts) / np.maximum(judged, 1)
    with np.errstate(divide="ignore"):
        found.evidence[:] = np.log(mean)
    # The last of each account's roles is the one with most evidence; of equal ones that of the larger hash.
    order = np.lexsort((role, evidence, account))
    surest = low[order][np.append(np.diff(account[order]) > 0, True)]
    places = pairs.account[surest]
    found.role[places] = pairs.role[surest]
    found.observed[places] = pairs.pace.week[surest] / pairs.all_week[surest]
    found.expected[places] = pairs.pace.days[surest] / pairs.all_days[surest]


def _pairs(owners: share.Owners, roles: U64, accounts: int) -> tuple[I64, I64, U64]:
    """The pair of account and role of each user; the account and the role of each pair."""
    encoded = pa.array(roles).dictionary_encode()
    names = encoded.dictionary.to_numpy()
    pairs = owners.astype(np.int64) * len(names) + encoded.indices.to_numpy()
    if accounts * len(names) <= _DENSE * len(pairs):
        every = np.arange(accounts * len(names))
    else:
        every, pairs = np.unique(pairs, return_inverse=True)
    return pairs, every // len(names), names[every % len(names)]


def _evidence(users: _Users, low: Places, account: I64, reference: share.Reference) -> F64:
    """Log evidence of pairs, whose accounts these are, that their share has fallen."""
    concerned, among = np.unique(account, return_inverse=True)
    number = np.full(len(reference.weeks), -1, dtype=np.int32)
    number[concerned] = np.arange(len(concerned))
    users = users.of(number[users.owners] >= 0)
    owners, known, few = number[users.owners], users.known, len(concerned)
    place = np.full(int(users.pairs.max()) + 1, -1, dtype=np.int32)
    place[low] = np.arange(len(low))
    chosen = place[users.pairs] >= 0
    own = users.of(chosen)
    pairs = place[own.pairs]
    safe, dispersion = share.usual(
        share.reference_by_day(own.early, own.late, pairs, len(low)),
        share.reference_by_day(users.early, users.late, owners, few)[:, among],
        reference.weeks[account],
    )
    part = share.by_day(own.recent, pairs, len(low), share.DAYS)
    whole = share.by_day(users.recent[known], owners[known], few, share.DAYS)[:, among]
    new = ~own.known
    whole += share.by_day(own.recent[new], pairs[new], len(low), share.DAYS)
    return share.fallen_since(part, whole, safe, dispersion, reference.days[account])
