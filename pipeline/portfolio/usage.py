"""Who used the product on which day, and how much: the facts behind stickiness and volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.portfolio.engagement import WINDOW_DAYS, l28_histogram, per_user, stickiness
from pipeline.terms.arrays import F64, I64, Bools
from pipeline.terms.days import SATURDAY, Days, weekday

Rows = slice | Bools
USAGE_COLUMNS = ("event_id", "account_id", "user_id", "occurred_at", "quantity", "duration_ms")
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class UserDays:
    """Each day of each user once, in order of days."""

    day: I64
    account: I64
    user: I64
    """A number for each pair of account and user."""

    def taken(self, rows: Rows) -> UserDays:
        """Some of them."""
        return UserDays(self.day[rows], self.account[rows], self.user[rows])


@dataclass(frozen=True, slots=True)
class Volume:
    """Sums of a day of an account, in order of days."""

    day: I64
    account: I64
    actions: F64
    hours: F64

    def taken(self, rows: Rows) -> Volume:
        """Some of them."""
        return Volume(self.day[rows], self.account[rows], self.actions[rows], self.hours[rows])


@dataclass(frozen=True, slots=True)
class Usage:
    """Who was there on which day, and how much was done."""

    visits: UserDays
    volume: Volume

    @classmethod
    def of(cls, usage: pa.Table, place_of: pl.DataFrame, days: Days) -> Usage:
        """Of usage events; one that came twice counts once, machine activity has no user."""
        frame = pl.DataFrame(pl.from_arrow(usage.select(USAGE_COLUMNS))).join(place_of, on="account_id", how="inner")
        frame = frame.unique(subset=["account_id", "event_id"], keep="first", maintain_order=True)
        frame = frame.with_columns(pl.Series("day", days.of(frame["occurred_at"].to_numpy().astype(np.int64))))
        users = (
            frame.filter(pl.col("user_id").is_not_null())
            .select("day", "place", "user_id")
            .unique()
            .with_columns(pl.struct("place", "user_id").rank("dense").cast(pl.Int64).alias("user"))
            .sort("day", "place", "user")
        )
        sums = (
            frame.group_by("day", "place")
            .agg(pl.col("quantity").sum(), pl.col("duration_ms").fill_null(0).sum())
            .sort("day", "place")
        )
        day, place, user = (users[name].to_numpy().astype(np.int64) for name in ("day", "place", "user"))
        actions, millis = (sums[name].to_numpy().astype(np.float64) for name in ("quantity", "duration_ms"))
        sum_day, sum_place = (sums[name].to_numpy().astype(np.int64) for name in ("day", "place"))
        return cls(UserDays(day, place, user), Volume(sum_day, sum_place, actions, millis / _HOUR_MS))

    def users_before(self, limit: I64) -> I64:
        """How many users of each account had been there before a day, which is given for each account."""
        _, first = np.unique(self.visits.user, return_index=True)
        account = self.visits.account[first]
        seen = self.visits.day[first] < limit[account]
        return np.bincount(account[seen], minlength=len(limit))

    def window(self, end_day: int) -> Usage:
        """The four weeks before a day."""
        bounds = [end_day - WINDOW_DAYS, end_day]
        visits = slice(*np.searchsorted(self.visits.day, bounds).tolist())
        volume = slice(*np.searchsorted(self.volume.day, bounds).tolist())
        return Usage(self.visits.taken(visits), self.volume.taken(volume))

    def of_group(self, group_of: I64, group: int) -> Usage:
        """The part of the accounts of one group."""
        return Usage(
            self.visits.taken(group_of[self.visits.account] == group),
            self.volume.taken(group_of[self.volume.account] == group),
        )

    def histogram(self) -> list[int]:
        """Users by their number of active days."""
        return l28_histogram(np.unique(self.visits.user, return_counts=True)[1].tolist())

    def figures(self, end_day: int) -> Iterator[tuple[str, float | None, int]]:
        """Every figure of the four weeks before a day: its name, value and number of users."""
        day, user = self.visits.day, self.visits.user
        users = len(np.unique(user))
        first_day = end_day - WINDOW_DAYS
        week_days = [each for each in range(first_day, end_day) if weekday(each) < SATURDAY]
        users_at_work = len(np.unique(user[np.isin(day, week_days)]))
        daily = np.bincount(day - first_day, minlength=WINDOW_DAYS)
        busy = daily[np.array(week_days) - first_day]
        yield "dau_mau", stickiness(daily.tolist(), users), users
        yield "dau_mau_week_days", stickiness(busy.tolist(), users_at_work), users_at_work
        yield "actions_per_user", per_user(float(self.volume.actions.sum()), users), users
        yield "active_hours_per_user", per_user(float(self.volume.hours.sum()), users), users
        yield "visits_per_user", per_user(float(len(user)), users), users
