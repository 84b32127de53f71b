"""What the calendar and the fleet leave of expected values: by country and segment, for the days that a view reads."""

from __future__ import annotations

import numpy as np

from pipeline.books import shutdowns
from pipeline.fleet.merged import LONG_DIP_DAYS, Fleet
from pipeline.state.accounts import Accounts
from pipeline.state.belonging import Belonging
from pipeline.state.state import State
from pipeline.terms.arrays import F64, Bools, Rows
from pipeline.terms.calendar import PlannedShutdown, covering, public_holidays
from pipeline.terms.days import Days

SPAN = 84
"""Days looked back on, today included."""
SHUT_SPAN = 112
"""The same for days shut: as long as anything is compared with."""
_FOUR_WEEKS = 28


def day_factors(state: State, day: int) -> DayFactors:
    """Of the calendar and the fleet, as of a day."""
    return DayFactors(day, state.accounts.belonging, state.fleet, state.config.shutdowns)


class DayFactors:
    """As of one day: the fleet's factors of the days before it, holidays and planned shutdowns of all its days."""

    def __init__(self, day: int, belonging: Belonging, fleet: Fleet, planned: tuple[PlannedShutdown, ...]) -> None:
        self.days = range(day - SPAN + 1, day + 1)
        self.shut_days = range(day - SHUT_SPAN + 1, day + 1)
        self._belonging = belonging
        self._planned = planned
        countries = belonging.countries.names
        self._holidays = np.zeros((SPAN, len(countries)), dtype=np.bool_)
        for number, country in enumerate(countries):
            if country is not None:
                self._holidays[:, number] = public_holidays(country, self.days)
        self._fleet = _fleet_factors(fleet, belonging.segments.names, self.days)
        self._dips = _short_dips(self._fleet)
        # How much less each account does in a dip differs too much for the median to tell: such days say nothing.
        self._fleet[self._dips] = 0.0
        self.drift = fleet.drift
        self.is_quiet = fleet.is_quiet
        quiet = [fleet.is_quiet(day) for day in self.days]
        self._fleet[quiet], self._dips[quiet] = 0.0, True

    def rows(self, first: int, last: int) -> slice:
        """Where days stand among `days`."""
        return slice(first - self.days.start, last - self.days.start + 1)

    def holidays(self, rows: Rows, first: int, last: int) -> Bools | None:
        """Public holidays of each account, one row a day; nothing when there is none."""
        table = self._holidays[self.rows(first, last)]
        return table[:, self._belonging.country[rows]] if table.any() else None

    def shut(self, rows: Rows) -> Bools | None:
        """All days on which a plan shuts each account, likewise."""
        mine = [
            plan
            for plan in self._planned
            if plan.last_day >= self.shut_days.start and plan.first_day <= self.shut_days[-1]
        ]
        if not mine:
            return None
        segment, country = self._belonging.segment[rows], self._belonging.country[rows]
        found = np.zeros((SHUT_SPAN, len(segment)), dtype=np.bool_)
        for plan in mine:
            concerned = np.ones(len(segment), dtype=np.bool_)
            if plan.segment is not None:
                concerned &= segment == self._belonging.segments.number(plan.segment)
            if plan.country is not None:
                concerned &= country == self._belonging.countries.number(plan.country)
            found |= covering([(plan.first_day, plan.last_day)], self.shut_days)[:, None] & concerned
        return found

    def fleet(self, rows: Rows, first: int, last: int) -> F64 | None:
        """The fleet's factor for each account; nothing when it is 1 on all days."""
        table = self._fleet[self.rows(first, last)]
        return table[:, self._belonging.segment[rows]] if (table < 1.0).any() else None

    def dips(self, rows: Rows, first: int, last: int) -> Bools | None:
        """Short dips of the fleet and days on which nobody comes, likewise."""
        table = self._dips[self.rows(first, last)]
        return table[:, self._belonging.segment[rows]] if table.any() else None


def shut_days(factors: DayFactors, accounts: Accounts, rows: Rows, days: Days) -> Bools | None:
    """Days on which each account is shut, by a plan or by its own signals; nothing when there is none."""
    planned = factors.shut(rows)
    # Looking back from early 1970, days have negative times; of accounts without a shutdown the column has one too.
    from_ms = max(0, days.start_ms(factors.shut_days.start))
    own = np.flatnonzero(accounts.shutdown_until_ms[rows] > from_ms).tolist()
    if not own:
        return planned
    numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
    found = np.zeros((SHUT_SPAN, len(numbers)), dtype=np.bool_) if planned is None else planned
    for place in own:
        book = accounts.books[int(numbers[place])]
        found[:, place] |= covering(shutdowns.days_of(book, days), factors.shut_days)
    return found


def _fleet_factors(fleet: Fleet, segments: list[str | None], days: range) -> F64:
    """One row a day, one column a segment; today's own factor is not known yet."""
    table = np.ones((len(days), len(segments)))
    if any(ring.dips for ring in fleet.rings.values()):
        for number, segment in enumerate(segments):
            if number == 0 or segment in fleet.rings:
                table[:-1, number] = [fleet.factor(segment, day) for day in days[:-1]]
            else:
                table[:, number] = table[:, 0]
    return table


def _short_dips(factors: F64) -> Bools:
    """Days of dips that did not go on for weeks."""
    dips = factors < 1.0
    if not dips.any():
        return dips
    ahead = np.vstack([np.cumsum(dips[::-1], axis=0)[::-1], np.zeros((_FOUR_WEEKS, dips.shape[1]))])
    return np.asarray(dips & (ahead[:SPAN] - ahead[_FOUR_WEEKS : SPAN + _FOUR_WEEKS] <= LONG_DIP_DAYS))
