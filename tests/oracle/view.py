"""An account as of the end of one day: windows and the expected level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING

import holidays

from tests.oracle.days import EPOCH
from tests.oracle.level import Level, base_days, learn, weekday
from tests.oracle.life import status_of
from tests.oracle.successions import Succession, people, successions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.oracle.days import Days
    from tests.oracle.fleet import FleetLog
    from tests.oracle.model import Account, OracleConfig

_COUNTRIES = set(holidays.list_supported_countries())


@cache
def _calendar(country: str) -> holidays.HolidayBase:
    """Years are added to it as they are asked for."""
    return holidays.country_holidays(country)


@cache
def _is_holiday(country: str, day: int) -> bool:
    return country in _COUNTRIES and EPOCH + timedelta(days=day) in _calendar(country)


@dataclass(frozen=True)
class Share:
    """Activity of power users, counted in user-days; `known` users were active in the reference."""

    power: int
    known: int
    all: int


class View:
    """Reads one account as of day `day`; events of later days are invisible to its windows."""

    def __init__(
        self,
        account: Account,
        day: int,
        days: Days,
        config: OracleConfig,
        fleet: FleetLog | None = None,
        *,
        gone_by: bool = False,
    ) -> None:
        """`gone_by`: the day was closed before."""
        self._fleet = fleet
        self._gone_by = gone_by
        self.account = account
        self.day = day
        self.days = days
        self.config = config
        self.end_ms = days.end(day)
        self.log_arl = math.log(config.arl_days)
        self._shut: dict[int, bool] = {}
        self._left_out: dict[int, bool] = {}

    def levels(self) -> list[int]:
        """The levels of use of the account's segment, or of all accounts, where they are enough."""
        return [] if self._fleet is None else self._fleet.levels(self.account.context.get("segment"), self.day - 1)

    def all_levels(self) -> list[int]:
        """The levels of use of all accounts, where they are enough."""
        return [] if self._fleet is None else self._fleet.levels(None, self.day - 1)

    def bar(self, kind: str) -> float:
        """What a ranked kind must reach."""
        if self._gone_by:
            return 0.0
        return 2.0 if self._fleet is None else self._fleet.bars.get(kind, 2.0)

    def actions(self, first: int, last: int) -> float:
        """Sum the actions of the days from `first` to `last`."""
        return sum(self.account.actions.get(x, 0) for x in range(first, last + 1)) / 1000.0

    def counted_actions(self, days: int) -> float:
        """Sum the actions of the last days of which anything is expected."""
        some = [x for x in range(self.day - days + 1, self.day + 1) if self.factor(x) > 0]
        return sum(self.account.actions.get(x, 0) for x in some) / 1000.0

    def used_since(self, day: int) -> bool:
        """Tell whether usage began on that day or before."""
        first = self.account.first_usage_day
        return first is not None and first <= day

    @cached_property
    def window(self) -> list[int]:
        """The days of use among those that a level may be learnt from."""
        return [x for x in range(self.day - 83, self.day - 27) if self.used_since(x)]

    @cached_property
    def base_days(self) -> list[int]:
        """`B`: the days that the level of actions is learnt from."""
        base = base_days(self.day, self.account.first_usage_day)[0]
        return [x for x in base if not self.left_out(x)]

    def is_holiday(self, day: int) -> bool:
        """Tell whether the day is a public holiday where the account is."""
        return _is_holiday((self.account.context.get("country") or "").strip().upper(), day)

    def is_shut(self, day: int) -> bool:
        """Tell whether nothing is expected on the day."""
        if day not in self._shut:
            self._shut[day] = self._is_shut(day)
        return self._shut[day]

    def _is_shut(self, day: int) -> bool:
        if status_of(self.account) == "paused" and self.account.profile is not None:
            since = self.account.profile["status_since"]
            if since is not None and self.days.of(since) <= day:
                return True
        for start_ms, (end_ms, _) in self.account.shutdowns.items():
            if start_ms < end_ms and self.days.of(start_ms) <= day <= self.days.of(end_ms - 1):
                return True
        if any(self.days.of(since) <= day <= self.days.of(until - 1) for since, until, *_ in self.account.expected):
            return True
        segment = self.account.context.get("segment")
        country = (self.account.context.get("country") or "").strip().upper()
        return any(
            first <= day <= last and of_segment in (None, segment) and of_country in (None, country)
            for first, last, of_segment, of_country in self.config.shutdowns
        )

    def quiet(self, day: int) -> bool:
        """Tell whether hardly anybody of the fleet came in the week that ends with the day."""
        return self._fleet is not None and self._fleet.quiet(day)

    def left_out(self, day: int) -> bool:
        """Tell whether the day enters no baseline."""
        if day not in self._left_out:
            self._left_out[day] = self._is_left_out(day)
        return self._left_out[day]

    def _is_left_out(self, day: int) -> bool:
        if self.quiet(day):
            return True
        segment = self.account.context.get("segment")
        short_dip = self._fleet is not None and self._fleet.left_out(segment, day, self.day)
        return short_dip or self.is_holiday(day) or self.is_shut(day)

    def factor(self, day: int) -> float:
        """What the calendar and the fleet leave of the day."""
        factors = self.level.factors if self.level else (1.0,) * 7
        return self._factor(day, factors)

    def usual_change(self, days: int) -> float:
        """Compare what the last days and as many before them let expect; 1 if nothing is known of that."""
        if self.level is None:
            return 1.0
        now, before = (
            sum(self.level.usual(x) * self.factor(x) for x in range(last - days + 1, last + 1))
            for last in (self.day, self.day - days)
        )
        return now / max(before, 1e-9) if now != before else 1.0

    def _factor(self, day: int, factors: tuple[float, ...]) -> float:
        if self.is_shut(day) or self.quiet(day):
            return 0.0
        factor = 1.0
        if self._fleet is not None and day < self.day:
            segment = self.account.context.get("segment")
            if self._fleet.left_out(segment, day, self.day):
                return 0.0
            factor = self._fleet.factor(segment, day)
        if self.is_holiday(day):
            factor *= min(factors) / factors[weekday(day)]
        return factor

    @property
    def days_to_renewal(self) -> int | None:
        """Days until the renewal, if it is to come."""
        renewal_at = (self.account.profile or {}).get("renewal_at")
        left = -1 if renewal_at is None else self.days.of(renewal_at) - self.day
        return left if left >= 0 else None

    @property
    def prior_daily_actions(self) -> float:
        """What to expect of an account of its touch model before anything is known."""
        models = (None, "digital", "high_touch", "strategic")
        model = (self.account.profile or {}).get("touch_model")
        return self.config.prior_daily_actions[models.index(model) if model in models else 0]

    @cached_property
    def level(self) -> Level | None:
        """The expected level of actions, or nothing if there is too little to learn from."""
        level = self.learn(
            lambda x: self.account.actions.get(x, 0) / 1000, of_usage=True, prior=self.prior_daily_actions
        )
        return None if level is None or level.mean <= 0 else level

    def learn(self, value: Callable[[int], float], *, of_usage: bool, prior: float | None = None) -> Level | None:
        """Learn a level of values by day; those of usage leave out what the calendar and the fleet explain."""
        first = self.account.first_usage_day if of_usage else self.account.first_day
        left_out = self.left_out if of_usage else None
        drift = self._fleet.drift if of_usage and self._fleet is not None else 0.0
        return learn(value, self.day, first, prior, left_out, drift)

    @cached_property
    def successions(self) -> list[Succession]:
        """Ids that go on for others."""
        return successions(self.account.users, self.day, self.config.id_hash)

    @cached_property
    def people(self) -> dict[str, set[int]]:
        """The users, under the first of ids that go on for each other."""
        return people(self.account.users, self.successions)

    def user_days(self, days: Iterable[int]) -> int:
        """Count pairs of a user and one of the days on which the user was active."""
        wanted = set(days)
        return sum(len(active & wanted) for active in self.people.values())

    def users_active(self, first: int, last: int) -> int:
        """Count users active between the two days, both included."""
        return _active(self.people, first, last)

    def features_used(self, first: int, last: int) -> int:
        """Count features used between the two days, both included."""
        return _active(self.account.features, first, last)

    @cached_property
    def _reference(self) -> tuple[int, int]:
        """`r` and the number of days that are judged: 21, or 14 where only so there are three weeks before `r`."""
        r = 7 * ((self.day - 20) // 7)
        return (r + 7, 14) if self.used_since(r - 14) and not self.used_since(r - 21) else (r, 21)

    @cached_property
    def weeks(self) -> int:
        """Weeks of the reference; 0 if the account is too young to have one."""
        known = [k for k in range(3, 13) if self.used_since(self._reference[0] - 7 * k)]
        return max(known, default=0)

    @property
    def reference(self) -> range:
        """The days that power users are taken from."""
        return range(self._reference[0] - 7 * self.weeks, self._reference[0])

    @property
    def judged_days(self) -> range:
        """The days that are held against the reference."""
        return range(self.day - self._reference[1] + 1, self.day + 1)

    def are_often(self, days: set[int], weeks: int) -> bool:
        """Tell whether days of so many weeks are those of a power user: two a week, and two thirds of the weeks."""
        return len(days) >= 2 * weeks and 3 * len({x // 7 for x in days}) >= 2 * weeks

    @cached_property
    def power_users(self) -> set[str]:
        """Users who were active in the reference often enough."""
        reference = set(self.reference)
        users = self.people.items()
        return {user for user, active in users if self.weeks and self.are_often(active & reference, self.weeks)}

    @cached_property
    def known_users(self) -> set[str]:
        """Users active in the reference."""
        reference = set(self.reference)
        return {user for user, active in self.people.items() if active & reference}

    def share(self, first: int, last: int) -> Share:
        """Count the user-days of power users, of known ones and of all between two days, both included."""
        wanted = set(range(first, last + 1))
        power = sum(len(self.people[user] & wanted) for user in self.power_users)
        known = sum(len(self.people[user] & wanted) for user in self.known_users)
        return Share(power, known, self.user_days(wanted))

    @cached_property
    def seats(self) -> int:
        """Seats that the account pays for; 0 if unknown."""
        named = [s.seats for s in self.account.subscriptions.values() if s.active and s.seats is not None]
        if named:
            return sum(named)
        profile = self.account.profile or {}
        return profile.get("seats") or 0


def _active(table: dict[str, set[int]], first: int, last: int) -> int:
    wanted = set(range(first, last + 1))
    return sum(1 for active in table.values() if not active.isdisjoint(wanted))
