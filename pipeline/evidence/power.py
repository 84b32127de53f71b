"""Power users: who they are, what they do since, and whether their share of all user-days has fallen.

A power user was active in at least two thirds of the reference's weeks and on twice as many days as it has weeks. The
choice is older than what is judged, and what the chosen owe to their luck then is left out of what is expected of them:
those whom the other weeks choose show it in each week. So regression to the mean does not look like a decline. The
share is that of the user-days of those who were there in the reference: where users are renamed, all fade alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.evidence import share
from pipeline.state.members import count_weeks
from pipeline.terms.arrays import F64, I32, I64, U8, U64, Bools

MIN_POWER_USERS = 3
MIN_DAYS = 2
"""For each week of the reference."""
FLAT_RATIO, FLAT_POINT = 1.5, 0.2
"""The total is flat when it is within this ratio with 90 % confidence both ways, and its log ratio is within a
fifth (or its own noise)."""
Z_90, Z_95 = 1.2816, 1.6449
FLAT_WEEK = 0.7


@dataclass(frozen=True, slots=True)
class PowerUsers:
    """One entry per account; user-days."""

    reference: share.Reference
    count: I64
    days: I64
    all_days: I64
    """Of power users and of all users in the reference."""
    week: I64
    all_week: I64
    fortnight: I64
    known_week: I64
    """Of the last 7 days, by users who were active in the reference."""
    all_window: I64
    """Of all users in the days that are judged."""
    quiet: I64
    """Power users who were not active in the last 7 days."""
    concerned: Bools
    """Where power users do materially less; the evidence is computed for these."""
    evidence: F64
    """Log evidence that the share has fallen, −∞ where not concerned."""

    def part(self, rows: slice) -> PowerUsers:
        """The same for some of the accounts."""
        names = [name for name in self.__dataclass_fields__ if name != "reference"]
        return PowerUsers(self.reference.part(rows), **{name: getattr(self, name)[rows] for name in names})

    @property
    def share(self) -> F64:
        """Of power users in the reference."""
        return np.asarray(self.days / np.maximum(self.all_days, 1))

    @property
    def total_change(self) -> tuple[F64, F64]:
        """Log ratio of the user-days that are judged to the reference's, and its standard error."""
        now, then = np.maximum(self.all_window, 1), np.maximum(self.all_days, 1)
        periods = self.reference.usual_weeks / (self.reference.days // 7)
        return np.log(periods * now / then), np.sqrt(1.0 / now + 1.0 / then)

    @property
    def flat(self) -> Bools:
        """Whether the total is the same as in the reference, by two one-sided tests."""
        change, error = self.total_change
        equivalent = np.abs(change) + Z_90 * error < np.log(FLAT_RATIO)
        near = np.abs(change) <= np.maximum(FLAT_POINT, Z_95 * error)
        usual = self.all_days / self.reference.usual_weeks
        return np.asarray(equivalent & near & (self.all_week >= FLAT_WEEK * usual))

    @property
    def rising(self) -> Bools:
        """Whether the total is above that of the reference and not flat."""
        return np.asarray(~self.flat & (self.total_change[0] > 0))


@dataclass(frozen=True, slots=True)
class _Users:
    """Users, one entry each: the days of the reference and those since, and of how many weeks it is."""

    early: U64
    late: U64
    recent: U64
    owners: share.Owners
    power: Bools
    weeks: U8

    def of(self, chosen: Bools) -> _Users:
        """Some of them."""
        return _Users(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})


def power_users(bits: U64, owners: share.Owners, reference: share.Reference) -> tuple[PowerUsers, I64]:
    """Choose each account's power users in the reference period and judge their days since; also which they are."""
    accounts, weeks = len(reference.weeks), reference.weeks.astype(np.uint8)[owners]
    early, late, recent = reference.words(bits, owners)
    days = np.bitwise_count(early) + np.bitwise_count(late)
    power = _is_power(early, late, weeks)
    who = np.flatnonzero(power)
    chosen, week = owners[who], np.bitwise_count(recent >> np.uint64(14))
    count = np.bincount(chosen, minlength=accounts)
    own, all_days = share.per_account(chosen, days[power], accounts), share.per_account(owners, days, accounts)
    own_week, all_week = share.per_account(chosen, week[power], accounts), share.per_account(owners, week, accounts)
    fortnight = share.per_account(chosen, np.bitwise_count(recent[power] >> np.uint64(7)), accounts)
    known = days > 0
    known_week = share.per_account(owners, np.where(known, week, 0), accounts)
    pace = share.Pace(own, own_week, fortnight)
    concerned = (count >= MIN_POWER_USERS) & share.is_less(pace, all_days, known_week, reference.usual_weeks)
    users = _Users(early, late, recent, owners, power, weeks).of(concerned[owners] & known)
    found = PowerUsers(
        reference,
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
        _evidence(users, reference, concerned),
    )
    return found, who


def power_of(bits: U64, owners: share.Owners, reference: share.Reference) -> Bools:
    """Which of the users were power users in the reference period of their accounts."""
    early, late, _recent = reference.words(bits, owners)
    return _is_power(early, late, reference.weeks.astype(np.uint8)[owners])


def _is_power(early: U64, late: U64, weeks: U8) -> Bools:
    days = np.bitwise_count(early) + np.bitwise_count(late)
    return _is_often(days, count_weeks(early, 4) + count_weeks(late, 8), weeks) & (days > 0)


def _is_often(days: U8, active_weeks: U8, weeks: U8) -> Bools:
    """Whether so many days in so many different weeks make a power user of a period."""
    return np.asarray((days >= MIN_DAYS * weeks) & (3 * active_weeks >= 2 * weeks))


def _evidence(users: _Users, reference: share.Reference, concerned: Bools) -> F64:
    """Log evidence of the accounts concerned, whose users these are; −∞ elsewhere."""
    evidence = np.full(len(concerned), -np.inf)
    places = np.flatnonzero(concerned)
    if not len(places):
        return evidence
    number = np.zeros(len(concerned), dtype=np.int32)
    number[places] = np.arange(len(places))
    among, few = number[users.owners], len(places)
    own, own_among, reference = users.of(users.power), among[users.power], reference.part(places)
    safe, dispersion = share.usual(
        share.reference_by_day(own.early, own.late, own_among, few),
        share.reference_by_day(users.early, users.late, among, few),
        reference.weeks,
        _kept(users, among, few),
    )
    part = share.by_day(own.recent, own_among, few, share.DAYS)
    whole = share.by_day(users.recent, among, few, share.DAYS)
    evidence[places] = share.fallen_since(part, whole, safe, dispersion, reference.days)
    return evidence


def _kept(users: _Users, among: I32, few: int) -> F64:
    """What is left in a week of the pace of those whom the reference's other weeks choose, by account, at most all."""
    days = np.bitwise_count(users.early) + np.bitwise_count(users.late)
    active_weeks = count_weeks(users.early, 4) + count_weeks(users.late, 8)
    left, usual = np.zeros(few), np.zeros(few)
    for back in range(1, share.REFERENCE_WEEKS + 1):
        word, number = (users.late, 8 - back) if back <= 8 else (users.early, 12 - back)
        week = np.bitwise_count((word >> np.uint64(7 * number)) & np.uint64(127))
        chosen = users.weeks >= back
        chosen &= _is_often(days - week, active_weeks - (week > 0), users.weeks - 1)
        left += share.per_account(among[chosen], week[chosen], few)
        usual += np.bincount(among[chosen], (days - week)[chosen] / (users.weeks - 1)[chosen], few)
    return np.minimum(1.0, left / usual)
