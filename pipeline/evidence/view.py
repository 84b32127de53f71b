"""What a detector may read: the accounts of a partition as of one closed day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.config import EngineConfig
from pipeline.evidence.census import Census
from pipeline.evidence.dayfactors import SHUT_SPAN, SPAN, DayFactors, shut_days
from pipeline.evidence.gaps import OUT_OF_SIGHT, bit_length
from pipeline.evidence.level import BASELINE_DAYS, LAG_DAYS, WINDOW_DAYS, Level, expected_level
from pipeline.fleet.bars import FIRST_BAR, LEAST_BAR
from pipeline.scorecards.bands import GREY
from pipeline.state.accounts import Accounts
from pipeline.state.life import decide
from pipeline.state.members import last_days
from pipeline.state.panes import RING, SCALES, USAGE_PANES
from pipeline.terms.arrays import F64, I32, I64, U8, U64, Bools, Places, Rows, summed
from pipeline.terms.days import Days
from pipeline.terms.hashing import hash_text
from pipeline.terms.kind import Kind

FACTOR_DAYS = 28
"""Days whose factors are computed together: what most detectors read."""

MIN_USED_DAYS = 28
"""Since the first use, from which on the level of use says something."""


@dataclass(slots=True)
class Finding:
    """A detector's answer for each account of the view."""

    raised: Bools
    observed: F64
    expected: F64
    evidence: F64
    """Surer is higher; its scale is the detector's own."""
    lasting: F64 | None = None
    """The lower of yesterday's and today's evidence, of what must hold on both."""

    @classmethod
    def nothing(cls, observed: F64, expected: F64) -> Finding:
        """No account raised, and no evidence for it."""
        return cls(np.zeros(len(observed), dtype=np.bool_), observed, expected, np.full(len(observed), -np.inf))

    @property
    def surest(self) -> F64:
        """Evidence that other detectors may build on."""
        return self.evidence if self.lasting is None else self.lasting

    def values_at(self, place: int) -> tuple[float, float, float]:
        """Observed, expected and evidence of one account."""
        return float(self.observed[place]), float(self.expected[place]), float(self.evidence[place])


class Evaluator(Protocol):
    """What says where its condition holds."""

    KIND: Kind

    def evaluate(self, view: View) -> Finding:
        """Where the condition holds as of the view's day."""


class View:
    """Some accounts as of a day; what several detectors need is computed once."""

    def __init__(
        self,
        accounts: Accounts,
        rows: Rows,
        day: int,
        days: Days,
        config: EngineConfig,
        counts: Census,
        day_factors: DayFactors | None = None,
        *,
        bars: Mapping[str, float] | None = None,
        gone_by: bool = False,
    ) -> None:
        """`day_factors`: of the calendar and the fleet as of the day; without them every day is an ordinary one.

        `bars`: what the scores of ranked kinds must reach, by name.

        `gone_by`: the day was closed before; of it day values are known, but not what else was so then.
        """
        self.accounts = accounts
        self.rows = rows
        self.day = day
        self.end_ms = days.end_ms(day)
        self.days = days
        self.day_factors = day_factors
        self.gone_by = gone_by
        self.threshold = float(np.log(config.run_length_days))
        self.config = config
        self._bars = bars or {}
        self.reference = counts.reference
        self.users = counts.users
        self.features = counts.features
        self.power = counts.power
        self.abandonment = counts.abandonment
        self.roles = counts.roles
        self.moves = counts.moves
        self.people = counts.people
        self.power_places, self.power_owners = counts.power_places, counts.power_owners
        self._findings: dict[str, Finding] = {}
        self.first_usage_day = accounts.first_usage_day[rows].astype(np.int64)
        self.band = accounts.band[rows]
        """The band of the previous close, until the score of this one is known."""
        self.former_life = accounts.life[rows].copy()
        self.unseen: Bools = accounts.unseen[rows].copy()
        """As of the day before; its column says it of the day itself once that is closed."""
        """What each account was as of the previous close."""

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

    def columns(self, name: str, first: int, last: int, places: Places) -> npt.NDArray[np.integer]:
        """Like `pane`, of the accounts at some places."""
        days = np.arange(first, last + 1)[:, None] % RING
        return np.asarray(self.accounts.panes[name][days, self._rows_at(places)])

    def users_of(self, places: Places) -> tuple[U64, I32]:
        """Day rings of the people of the accounts at some places, and to which of these each belongs."""
        members, owners = self.people.users.of(self._rows_at(places))
        return self.people.days(members), owners

    def ids_of(self, places: Places) -> tuple[U64, I32]:
        """Day rings of the user ids of the accounts at some places, and to which of these each belongs."""
        members, owners = self.people.users.of(self._rows_at(places))
        return self.people.users.bits[members], owners

    def ids_named(self, places: Places, hashes: U64) -> tuple[U64, Bools]:
        """Day rings of one user id of each of the accounts at some places, and whether another one took over.

        Those that are not known have no active day.
        """
        users = self.people.users
        members = users.named(self.accounts.hashes[self._rows_at(places)], hashes)
        return users.bits[members], self.people.taken_over(members)

    def moved_about(self, places: Places, gap: I64) -> I64:
        """People of the accounts at some places who moved to other ids about so many days ago."""
        return self.people.moved_about(self._rows_at(places), self.day - gap)

    def counted_gap(self, places: Places, gap: I64, *, whole: bool = False) -> F64:
        """Days of gaps of the accounts at some places, each counted by its factor; the oldest in full.

        `whole`: in full unless nothing is expected of it.
        """
        factors = self.factors(self.day - SPAN + 1, self.day)
        factors = np.ceil(factors) if whole else factors
        factors = factors[:, places] if factors.shape[1] > 1 else factors
        inside = np.arange(SPAN, 0, -1)[:, None] <= gap
        return np.asarray(summed(inside * factors) + np.maximum(0, gap - SPAN))

    def _rows_at(self, places: Places) -> I32:
        rows = self.rows.start + places if isinstance(self.rows, slice) else self.rows[places]
        return np.asarray(rows, dtype=np.int32)

    def scale(self, name: str) -> float:
        """What a pane's values are divided by to be in the unit they are judged in."""
        return SCALES.get(name, 1.0)

    def first_day_of(self, name: str) -> I64:
        """Each account's first day that counts for a pane: of usage, or of anything."""
        return self.first_usage_day if name in USAGE_PANES else self.column("first_day").astype(np.int64)

    def last(self, name: str, days: int) -> F64:
        """Sum of a pane over the days that end with the view's."""
        return np.asarray(self.total(name, self.day - days + 1, self.day) / self.scale(name))

    def counted(self, name: str, days: int) -> F64:
        """The same, of the days on which anything is expected."""
        idle = self.factors(self.day - days + 1, self.day) == 0
        if not idle.any():
            return self.last(name, days)
        values = np.where(idle, 0, self.pane(name, self.day - days + 1, self.day))
        return np.asarray(values.sum(axis=0, dtype=np.int64) / self.scale(name))

    def rough_mean(self, name: str) -> F64:
        """Mean of a pane's 56 days of baseline; 0 for accounts without any such day."""
        last = self.day - LAG_DAYS
        values = self.pane(name, last - BASELINE_DAYS + 1, last)
        count = np.clip(last + 1 - self.first_day_of(name), 0, BASELINE_DAYS)
        if name in USAGE_PANES and self._left_out is not None:
            left_out = self._left_out[:BASELINE_DAYS]
            values = np.where(left_out, 0, values)
            used = np.arange(last - BASELINE_DAYS + 1, last + 1)[:, None] >= self.first_usage_day
            count = count - (left_out & used).sum(axis=0)
        total = values.sum(axis=0, dtype=np.int64) / self.scale(name)
        return np.asarray(np.where(count > 0, total / np.maximum(count, 1), 0.0))

    def finding(self, detector: Evaluator) -> Finding:
        """What a detector finds here, evaluated once."""
        if detector.KIND.name not in self._findings:
            self._findings[detector.KIND.name] = detector.evaluate(self)
        return self.found(detector.KIND)

    def found(self, kind: Kind) -> Finding:
        """What the detector of a kind has found here before."""
        return self._findings[kind.name]

    def bar(self, kind: Kind) -> float:
        """What the score of a ranked kind must reach; of a day gone by, whose bar is not known, the least."""
        return LEAST_BAR if self.gone_by else self._bars.get(kind.name, FIRST_BAR)

    def standing(self, card: str) -> tuple[U8, F64]:
        """Band and score of each account on one scorecard; grey, and missing, where it does not judge."""
        standings = self.accounts.standings
        for slot in np.flatnonzero(standings.cards == np.uint64(hash_text(card))).tolist():
            return standings.band[slot, self.rows], standings.score[slot, self.rows]
        return np.full(len(self), GREY, dtype=np.uint8), np.full(len(self), np.nan)

    @cached_property
    def life(self) -> U8:
        """What each account is as of the day."""
        return decide(self.column, self.end_ms, tests=self.config.test_accounts)

    @property
    def _drift(self) -> float:
        return 0.0 if self.day_factors is None else self.day_factors.drift

    @cached_property
    def level(self) -> Level:
        """Expected daily actions."""
        values = self.pane("actions", self.day - WINDOW_DAYS + 1, self.day)
        priors = np.array(self.config.prior_daily_actions)[self.column("touch_model")]
        known = self.scale("actions"), priors, self._left_out, self._drift
        return expected_level(values, self.day, self.first_usage_day, *known)

    def level_of(self, name: str, places: Places) -> Level:
        """Expected daily values of a pane, of the accounts at some places."""
        if name == "actions":
            return self.level.at(places)
        values = self.columns(name, self.day - WINDOW_DAYS + 1, self.day, places)
        left_out, drift = (self._left_out, self._drift) if name in USAGE_PANES else (None, 0.0)
        left_out = None if left_out is None else left_out[:, places]
        first_day = self.first_day_of(name)[places]
        return expected_level(values, self.day, first_day, self.scale(name), None, left_out, drift)

    def learnt_from(self, places: Places) -> Bools:
        """Days of the baseline of grown accounts that their levels of use are learnt from, one row a day."""
        first, last = self.day - WINDOW_DAYS + 1, self.day - LAG_DAYS
        used = np.arange(first, last + 1)[:, None] >= self.first_usage_day[places]
        return used if self._left_out is None else used & ~self._left_out[:BASELINE_DAYS, places]

    def means(self, level: Level, first: int, last: int, places: Places | None = None) -> F64:
        """A level's expected values of the days from `first` to `last`, one row a day, one column an account.

        With `places` the level is that of the accounts there.
        """
        factors = self.factors(first, last)
        if places is not None and factors.shape[1] > 1:
            factors = factors[:, places]
        return level.means(first, last) * factors

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
            quiet = self.level.factors.min(axis=0) / self.level.weekday_factors(first, last)
            found = np.where(holidays, quiet * found, found)
        shut = self._shut_on(first, last)
        return found if shut is None else np.where(shut, 0.0, found)

    @cached_property
    def _left_out(self) -> Bools | None:
        """The same for all days that a level is learnt from and judged on."""
        found = self.left_out(self.day - WINDOW_DAYS + 1, self.day)
        return None if found is None else np.broadcast_to(found, (WINDOW_DAYS, len(self)))

    def left_out(self, first: int, last: int) -> Bools | None:
        """Days that enter no baseline, one row a day: holidays, shutdowns, short dips of the fleet."""
        if self.day_factors is None:
            return None
        shut = self._shut_on(first, last)
        of_others = (self.day_factors.holidays, self.day_factors.dips)
        known = [part for part in (shut, *(of(self.rows, first, last) for of in of_others)) if part is not None]
        return np.logical_or.reduce(known) if known else None

    def quiet(self, days: npt.NDArray[np.integer]) -> Bools:
        """Whether hardly anybody of the fleet came in the weeks that end with some days."""
        factors = self.day_factors
        return np.array([factors is not None and factors.is_quiet(day) for day in days.tolist()], dtype=np.bool_)

    def _shut_on(self, first: int, last: int) -> Bools | None:
        """Days on which each account is shut, one row a day; nothing where none ever is."""
        start = first - self.day + SHUT_SPAN - 1
        return None if self._shut is None else self._shut[start : start + last - first + 1]

    @cached_property
    def _shut(self) -> Bools | None:
        """The last days on which each account is shut."""
        return None if self.day_factors is None else shut_days(self.day_factors, self.accounts, self.rows, self.days)

    @cached_property
    def days_shut(self) -> I64:
        """Days of the last 112 on which each account was shut."""
        return np.broadcast_to(0 if self._shut is None else self._shut.sum(axis=0), (len(self),))

    @cached_property
    def used_days(self) -> I64:
        """Days of the last 84 since the first use; 0 before it."""
        return np.clip(self.day - self.first_usage_day + 1, 0, WINDOW_DAYS)

    @cached_property
    def weekly_actions(self) -> F64:
        """Actions a week over those days."""
        total = self.total("actions", self.day - WINDOW_DAYS + 1, self.day)
        return np.asarray(7.0 * total / 1000.0 / np.maximum(self.used_days, 1))

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
        return summed(self.factors(self.day - 27, self.day))

    @cached_property
    def active_bits(self) -> U64:
        """Day ring of the accounts' own activity."""
        return self.accounts.bits[self.rows]

    @cached_property
    def gap(self) -> I64:
        """Days since the last active day; `OUT_OF_SIGHT` when none is remembered."""
        near, far = (bit_length(last_days(self.active_bits, self.day - back, 64)) for back in (0, 64))
        return np.where(near > 0, 64 - near, np.where(far > 0, OUT_OF_SIGHT - far, OUT_OF_SIGHT))

    @cached_property
    def days_to_renewal(self) -> I64:
        """Days from the view's to that of the renewal; −1 when it has passed or none is known."""
        renewal_ms = self.column("renewal_at_ms").astype(np.int64)
        known = renewal_ms >= 0
        return np.where(known, np.maximum(self.days.of(np.where(known, renewal_ms, 0)) - self.day, -1), -1)

    def renews_within(self, days: int, place: int) -> bool:
        """Whether the renewal of the account at a place is so near."""
        return bool(0 <= self.days_to_renewal[place] <= days)
