"""Power users: who they are, what they do since, and whether their share of all user-days has fallen.

A power user was active in at least 8 of the reference's 12 weeks and on at least 24 days. The choice is older than
what is judged, so that regression to the mean does not look like a decline. The share is that of the user-days of
those who were there in the reference: where users are renamed, all of them fade alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.evidence import share
from pipeline.state.members import count_weeks, last_days
from pipeline.terms.arrays import F64, I64, U64, Bools

MIN_POWER_USERS = 3
MIN_WEEKS, MIN_DAYS = 8, 24
FLAT_RATIO, FLAT_POINT = 1.5, 0.2
"""The total is flat when it is within this ratio with 90 % confidence both ways, and its log ratio is within a
fifth (or its own noise)."""
Z_90, Z_95 = 1.2816, 1.6449
FLAT_WEEK = 0.7


@dataclass(frozen=True, slots=True)
class PowerUsers:
    """One entry per account; user-days."""

    reference_start: int
    count: I64
    days: I64
    all_days: I64
    """Of power users and of all users in the 84 days of the reference."""
    week: I64
    all_week: I64
    fortnight: I64
    known_week: I64
    """Of the last 7 days, by users who were active in the reference."""
    all_window: I64
    """Of all users in the 21 days that are judged."""
    quiet: I64
    """Power users who were not active in the last 7 days."""
    concerned: Bools
    """Where power users do materially less; the evidence is computed for these."""
    evidence: F64
    """Log evidence that the share has fallen, −∞ where not concerned."""

    def part(self, rows: slice) -> PowerUsers:
        """The same for some of the accounts."""
        names = [name for name in self.__dataclass_fields__ if name != "reference_start"]
        return PowerUsers(self.reference_start, **{name: getattr(self, name)[rows] for name in names})

    @property
    def share(self) -> F64:
        """Of power users in the reference."""
        return np.asarray(self.days / np.maximum(self.all_days, 1))

    @property
    def total_change(self) -> tuple[F64, F64]:
        """Log ratio of the last three weeks' user-days to the reference's, and its standard error."""
        now, then = np.maximum(self.all_window, 1), np.maximum(self.all_days, 1)
        return np.log(4.0 * now / then), np.sqrt(1.0 / now + 1.0 / then)

    @property
    def flat(self) -> Bools:
        """Whether the total is the same as in the reference, by two one-sided tests."""
        change, error = self.total_change
        equivalent = np.abs(change) + Z_90 * error < np.log(FLAT_RATIO)
        near = np.abs(change) <= np.maximum(FLAT_POINT, Z_95 * error)
        return np.asarray(equivalent & near & (self.all_week >= FLAT_WEEK * self.all_days / 12.0))

    @property
    def rising(self) -> Bools:
        """Whether the total is above that of the reference and not flat."""
        return np.asarray(~self.flat & (self.total_change[0] > 0))


@dataclass(frozen=True, slots=True)
class _Users:
    """Users, one entry each: the days of the reference and those since."""

    early: U64
    late: U64
    recent: U64
    owners: share.Owners
    power: Bools

    def of(self, chosen: Bools) -> _Users:
        """Some of them."""
        return _Users(
            self.early[chosen], self.late[chosen], self.recent[chosen], self.owners[chosen], self.power[chosen]
        )


def power_users(bits: U64, owners: share.Owners, accounts: int, day: int) -> PowerUsers:
    """Choose each account's power users in the reference period and judge their days since."""
    early, late = share.reference_of(bits, day)
    days = np.bitwise_count(early) + np.bitwise_count(late)
    power = _is_power(early, late)
    recent = last_days(bits, day, share.DAYS)
    chosen, week = owners[power], np.bitwise_count(recent >> np.uint64(14))
    count = np.bincount(chosen, minlength=accounts)
    own, all_days = share.per_account(chosen, days[power], accounts), share.per_account(owners, days, accounts)
    own_week, all_week = share.per_account(chosen, week[power], accounts), share.per_account(owners, week, accounts)
    fortnight = share.per_account(chosen, np.bitwise_count(recent[power] >> np.uint64(7)), accounts)
    known = days > 0
    known_week = share.per_account(owners, np.where(known, week, 0), accounts)
    concerned = (count >= MIN_POWER_USERS) & share.is_less(share.Pace(own, own_week, fortnight), all_days, known_week)
    return PowerUsers(
        share.reference_start(day),
        count,
        own,
        all_days,
        own_week,
        all_week,
        fortnight,
        known_week,
        share.per_account(owners, np.bitwise_count(recent), accounts),
        np.bincount(chosen[week[power] == 0], minlength=accounts),
        concerned,
        _evidence(_Users(early, late, recent, owners, power).of(concerned[owners] & known), concerned),
    )


def power_of(bits: U64, day: int) -> Bools:
    """Which of the users were power users in the reference period."""
    return _is_power(*share.reference_of(bits, day))


def _is_power(early: U64, late: U64) -> Bools:
    often = np.bitwise_count(early) + np.bitwise_count(late) >= MIN_DAYS
    return np.asarray((count_weeks(early, 4) + count_weeks(late, 8) >= MIN_WEEKS) & often)


def _evidence(users: _Users, concerned: Bools) -> F64:
    """Log evidence of the accounts concerned, whose users these are; −∞ elsewhere."""
    evidence = np.full(len(concerned), -np.inf)
    places = np.flatnonzero(concerned)
    if not len(places):
        return evidence
    number = np.zeros(len(concerned), dtype=np.int32)
    number[places] = np.arange(len(places))
    among, few = number[users.owners], len(places)
    own, own_among = users.of(users.power), among[users.power]
    safe, dispersion = share.usual(
        share.reference_by_day(own.early, own.late, own_among, few),
        share.reference_by_day(users.early, users.late, among, few),
    )
    part = share.by_day(own.recent, own_among, few, share.DAYS)
    whole = share.by_day(users.recent, among, few, share.DAYS)
    evidence[places] = share.fallen_since(part, whole, safe, dispersion)
    return evidence
