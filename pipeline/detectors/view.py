"""What a detector may read: the accounts of a partition as of one closed day."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.accounts import RING, Accounts
from pipeline.dayfactors import DayFactors, shut_days
from pipeline.days import Days
from pipeline.hashing import U64
from pipeline.level import BASELINE_DAYS, LAG_DAYS, Level, expected_level
from pipeline.members import Members, last_days
from pipeline.records import I64

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = slice | npt.NDArray[np.int32]
FACTOR_DAYS = 28
"""Days whose factors are computed together: what most detectors read."""


@dataclass(slots=True)
class Finding:
    """A detector's answer for each account of the view."""

    raised: Bools
    observed: F64
    expected: F64
    evidence: F64
    """Surer is higher; its scale is the detector's own."""

    def values_at(self, place: int) -> tuple[float, float, float]:
        """Observed, expected and evidence of one account."""
        return float(self.observed[place]), float(self.expected[place]), float(self.evidence[place])


@dataclass(frozen=True, slots=True)
class Activity:
    """Members of each account counted as of a day; arrays with one entry per account."""

    active_28: I64
    """Members active in the last 28 days."""
    active_before: I64
    """Members active in the 28 days before."""
    days_28: I64
    """Member-days of the last 28 days."""
    days_base: I64
    """Member-days of the 56 days before."""


@dataclass(frozen=True, slots=True)
class PowerUsers:
    """Users chosen in a reference period, and their share of activity since; arrays with one entry per account."""

    reference_start: int
    count: I64
    days: I64
    all_days: I64
    """User-days of power users and of all users in the 56 days of the reference."""
    weeks: tuple[I64, ...]
    all_weeks: tuple[I64, ...]
    """The same in the last four weeks, oldest first."""


def _per_account(owners: npt.NDArray[np.int32], values: npt.NDArray[np.generic], accounts: int) -> I64:
    return np.bincount(owners, weights=values.astype(np.float64), minlength=accounts).astype(np.int64)


def activity(bits: npt.NDArray[np.uint64], owners: npt.NDArray[np.int32], accounts: int, day: int) -> Activity:
    """Count members and member-days per account as of a day."""
    recent = last_days(bits, day, 28)
    base = last_days(bits, day - 28, 56)
    return Activity(
        _per_account(owners, recent != 0, accounts),
        _per_account(owners, (base >> np.uint64(28)) != 0, accounts),
        _per_account(owners, np.bitwise_count(recent), accounts),
        _per_account(owners, np.bitwise_count(base), accounts),
    )


def reference_start(day: int) -> int:
    """First day after the reference period in force: a multiple of 28, at least 27 days ago."""
    return 28 * ((day - 27) // 28)


def power_users(bits: npt.NDArray[np.uint64], owners: npt.NDArray[np.int32], accounts: int, day: int) -> PowerUsers:
    """Choose each account's power users in the reference period and count their days since.

    A power user was active in at least 6 of its 8 weeks and on at least 16 days. The choice is older than what is
    judged, so that regression to the mean does not look like a decline.
    """
    start = reference_start(day)
    reference = last_days(bits, start - 1, 56)
    weeks = sum(((reference >> np.uint64(7 * j)) & np.uint64(127) != 0).astype(np.uint8) for j in range(8))
    days = np.bitwise_count(reference)
    power = (np.asarray(weeks) >= 6) & (days >= 16)
    recent = last_days(bits, day, 28)
    blocks = [np.bitwise_count(recent & np.uint64(127 << (7 * j))) for j in range(4)]
    chosen = owners[power]
    return PowerUsers(
        start,
        np.bincount(chosen, minlength=accounts),
        _per_account(chosen, days[power], accounts),
        _per_account(owners, days, accounts),
        tuple(_per_account(chosen, block[power], accounts) for block in blocks),
        tuple(_per_account(owners, block, accounts) for block in blocks),
    )


@dataclass(slots=True)
class Census:
    """Member counts of a set of accounts as of one day."""

    users: Activity
    features: Activity
    power: PowerUsers

    def part(self, rows: slice) -> Census:
        """The same for some of the accounts."""

        def cut(counts: Activity) -> Activity:
            return Activity(
                counts.active_28[rows], counts.active_before[rows], counts.days_28[rows], counts.days_base[rows]
            )

        power = self.power
        return Census(
            cut(self.users),
            cut(self.features),
            PowerUsers(
                power.reference_start,
                power.count[rows],
                power.days[rows],
                power.all_days[rows],
                tuple(week[rows] for week in power.weeks),
                tuple(week[rows] for week in power.all_weeks),
            ),
        )


def census(users: Members, features: Members, accounts: int, day: int) -> Census:
    """Count the members of all accounts of a partition."""
    used, named = slice(1, users.size), slice(1, features.size)
    return Census(
        activity(users.bits[used], users.owner[used], accounts, day),
        activity(features.bits[named], features.owner[named], accounts, day),
        power_users(users.bits[used], users.owner[used], accounts, day),
    )


def census_of(users: Members, features: Members, rows: npt.NDArray[np.int32], day: int) -> Census:
    """Count the members of a few accounts."""
    places, owners = users.of(rows)
    named, feature_owners = features.of(rows)
    return Census(
        activity(users.bits[places], owners, len(rows), day),
        activity(features.bits[named], feature_owners, len(rows), day),
        power_users(users.bits[places], owners, len(rows), day),
    )


class View:
    """Some accounts as of a day; what several detectors need is computed once."""

    def __init__(
        self,
        accounts: Accounts,
        rows: Rows,
        day: int,
        days: Days,
        arl_days: float,
        counts: Census,
        day_factors: DayFactors | None = None,
    ) -> None:
        """`day_factors`: of the calendar and the fleet as of the day; without them every day is an ordinary one."""
        self.accounts = accounts
        self.rows = rows
        self.day = day
        self.end_ms = days.end_ms(day)
        self.days = days
        self.day_factors = day_factors
        self.threshold = float(np.log(arl_days))
        self.users = counts.users
        self.features = counts.features
        self.power = counts.power
        self.first_usage_day = accounts.first_usage_day[rows].astype(np.int64)
        self.band = accounts.band[rows]
        """The band of the previous close, until the score of this one is known."""

    def __len__(self) -> int:
        return len(self.first_usage_day)

    def pane(self, name: str, first: int, last: int) -> npt.NDArray[np.integer]:
        """Values of the days from `first` to `last`, both included: one row a day, one column an account."""
        days = np.arange(first, last + 1) % RING
        pane = self.accounts.panes[name]
        return pane[days, self.rows] if isinstance(self.rows, slice) else pane[days[:, None], self.rows]

    def total(self, name: str, first: int, last: int) -> I64:
        """Sum over the days from `first` to `last`, both included."""
        return np.asarray(self.pane(name, first, last).sum(axis=0, dtype=np.int64))

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column of the accounts."""
        return np.asarray(getattr(self.accounts, name)[self.rows])

    @cached_property
    def level(self) -> Level:
        """Expected daily actions."""
        last = self.day - LAG_DAYS
        first = last - BASELINE_DAYS + 1
        values = self.pane("actions", first, last)
        return expected_level(values, last, self.first_usage_day, self.left_out(first, last))

    def means(self, level: Level, first: int, last: int) -> F64:
        """A level's expected values of the days from `first` to `last`, one row a day, one column an account."""
        return level.means(first, last) * self.factors(first, last)

    def factors(self, first: int, last: int) -> F64:
        """What the calendar and the fleet leave of each account's expected values, one row a day.

        On a public holiday an account is expected to be as on its quietest weekday; while it is shut, not at all.
        """
        if first > self.day - FACTOR_DAYS:
            recent = self._recent_factors
            start = first - self.day + FACTOR_DAYS - 1
            return recent[start : start + last - first + 1]
        return self._factors(first, last)

    @cached_property
    def _recent_factors(self) -> F64:
        return self._factors(self.day - FACTOR_DAYS + 1, self.day)

    def _factors(self, first: int, last: int) -> F64:
        ordinary = np.ones((last - first + 1, 1))
        if self.day_factors is None:
            return ordinary
        fleet = self.day_factors.fleet(self.rows, first, last)
        found = ordinary if fleet is None else fleet
        holidays = self.day_factors.holidays(self.rows, first, last)
        if holidays is not None:
            weekdays = self.level.factors
            quiet = weekdays.min(axis=0) / weekdays[(np.arange(first, last + 1) + 3) % 7]
            found = np.where(holidays, quiet * found, found)
        if self._shut is not None:
            found = np.where(self._shut[self.day_factors.rows(first, last)], 0.0, found)
        return found

    def left_out(self, first: int, last: int) -> Bools | None:
        """Days that enter no baseline, one row a day: holidays, shutdowns, short dips of the fleet."""
        if self.day_factors is None:
            return None
        shut = self._shut if self._shut is None else self._shut[self.day_factors.rows(first, last)]
        of_others = (self.day_factors.holidays, self.day_factors.dips)
        known = [part for part in (shut, *(of(self.rows, first, last) for of in of_others)) if part is not None]
        return np.logical_or.reduce(known) if known else None

    @cached_property
    def _shut(self) -> Bools | None:
        """Days of `day_factors` on which each account is shut."""
        return None if self.day_factors is None else shut_days(self.day_factors, self.accounts, self.rows, self.days)

    @cached_property
    def week_actions(self) -> F64:
        """Actions of the last seven days."""
        return self.total("actions", self.day - 6, self.day) / 1000.0

    @cached_property
    def week_expected(self) -> F64:
        """Expected actions of the last seven days."""
        return np.asarray(self.means(self.level, self.day - 6, self.day).sum(axis=0))

    @cached_property
    def four_weeks(self) -> F64:
        """Days of the last 28, each counted by its factor."""
        return np.asarray(self.factors(self.day - 27, self.day).sum(axis=0))

    @cached_property
    def active_bits(self) -> npt.NDArray[np.uint64]:
        """Day ring of the accounts' own activity."""
        return self.accounts.bits[self.rows]

    @cached_property
    def gap(self) -> I64:
        """Days since the last active day; 128 when there is none in sight."""
        near, far = (_bit_length(last_days(self.active_bits, self.day - back, 64)) for back in (0, 64))
        return np.where(near > 0, 64 - near, np.where(far > 0, 128 - far, 128))


def _bit_length(words: U64) -> I64:
    for shift in (1, 2, 4, 8, 16, 32):
        words = words | (words >> np.uint64(shift))
    return np.bitwise_count(words).astype(np.int64)
