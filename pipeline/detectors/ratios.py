"""Daily shares in 0…1 below their usual level: of seats in use, of the month's users, of power users.

The last week is compared with the baseline by counts that are at hand; only where it is materially lower are the 84
days looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.evidence import betting, esr
from pipeline.evidence.level import BASELINE_DAYS, LAG_DAYS, WINDOW_DAYS
from pipeline.evidence.power import MIN_POWER_USERS, power_of
from pipeline.evidence.share import by_day, per_account
from pipeline.evidence.view import Finding, View
from pipeline.state.members import last_days
from pipeline.terms.arrays import F64, I64, U64, Bools, Places
from pipeline.terms.kind import FEATURES_DOWN, POWER_USERS_DOWN, USERS_DOWN, Kind, Play

MATERIAL = 0.85
"""What the last week must be below against the usual, and back at to be over."""
MIN_SEATS = 3
MIN_USERS = 5
MONTH_DAYS = 28


@dataclass(slots=True)
class RatioDetector:
    """One daily share that may fall."""

    KIND: Kind
    week: Callable[[View], tuple[F64, Bools]]
    """The last week's share of each account, and where it is materially below the baseline's."""
    daily: Callable[[View, Places], F64]
    """The shares of the 84 days of the accounts at some places, one row a day."""

    def evaluate(self, view: View) -> Finding:
        """Raised when the evidence exceeds the threshold on two days running and the last week is materially low."""
        observed, low = self.week(view)
        finding = Finding.nothing(observed, np.zeros(len(view)))
        places = np.flatnonzero(low & (view.first_usage_day <= view.day - WINDOW_DAYS + 1))
        if len(places):
            expected, log_e = self._judge(view, places)
            before, now = esr.last_two(log_e, np.full(len(places), LAG_DAYS))
            fallen = observed[places] < MATERIAL * expected
            finding.expected[places] = expected
            finding.evidence[places] = np.where(fallen, now, -np.inf)
            finding.raised[places] = fallen & (before >= view.threshold) & (now >= view.threshold)
        return finding

    def cleared(self, view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
        """Whether the last week is back near what was expected when the episode opened."""
        return bool(finding.observed[place] >= MATERIAL * expected_at_opening)

    def onset(self, view: View, place: int) -> tuple[int, int, int]:
        """First day of the change and the range it may lie in, for an account that raised."""
        best, longest, shortest = esr.onset(self._judge(view, np.array([place]))[1][:, :, 0], LAG_DAYS)
        return view.day - best, view.day - longest, view.day - shortest

    def _judge(self, view: View, places: Places) -> tuple[F64, F64]:
        """Expected share of the last week, and the log e-values of the last 28 days."""
        shares, first = self.daily(view, places), view.day - LAG_DAYS + 1
        left_out = view.left_out(view.day - WINDOW_DAYS + 1, view.day - LAG_DAYS)
        counted = np.ones((BASELINE_DAYS, len(places)), dtype=np.bool_)
        if left_out is not None:
            counted &= ~np.broadcast_to(left_out, (BASELINE_DAYS, len(view)))[:, places]
        usual = betting.usual(shares[:BASELINE_DAYS], counted, view.day - LAG_DAYS)
        factors = view.factors(first, view.day)
        means = usual.means(first, view.day) * (factors[:, places] if factors.shape[1] > 1 else factors)
        expected = np.where(usual.defined, means[-7:].mean(axis=0), 0.0)
        return expected, esr.without_days(betting.log_e_values(shares[BASELINE_DAYS:], usual.safe * means), means)


def _seats(view: View) -> I64:
    """Seats of each account that has enough of them to speak of a share, else 0."""
    seats = view.column("seats").astype(np.int64)
    return np.where(seats >= MIN_SEATS, seats, 0)


def _week_of_seats(view: View) -> tuple[F64, Bools]:
    seats = _seats(view)
    taken = np.minimum(view.pane("active_users", view.day - WINDOW_DAYS + 1, view.day), seats)
    before = taken[:BASELINE_DAYS].sum(axis=0, dtype=np.int64)
    week = taken[-7:].sum(axis=0, dtype=np.int64)
    low = (week > 0) & (week * (BASELINE_DAYS // 7) < MATERIAL * before)
    return week / np.maximum(7 * seats, 1), low


def _seats_in_use(view: View, places: Places) -> F64:
    """Of today's seats on every day: when seats are bought, nothing has fallen."""
    seats = _seats(view)[places]
    users = view.columns("active_users", view.day - WINDOW_DAYS + 1, view.day, places)
    return np.asarray(np.minimum(users, seats) / seats)


def _week_of_users(view: View) -> tuple[F64, Bools]:
    week, month, month_before = view.power.all_week, view.users.active_28, view.users.active_before
    enough = (week > 0) & (month >= MIN_USERS) & (month_before >= MIN_USERS)
    low = week * month_before * (BASELINE_DAYS // 7) < MATERIAL * view.users.days_base * month
    return week / np.maximum(7 * month, 1), enough & low


def _stickiness(view: View, places: Places) -> F64:
    bits, owners = view.users_of(places)
    first = WINDOW_DAYS + MONTH_DAYS - 1 - BASELINE_DAYS
    days = np.concatenate(
        [
            _unpacked(last_days(bits, view.day - BASELINE_DAYS, first), first),
            _unpacked(last_days(bits, view.day, BASELINE_DAYS), BASELINE_DAYS),
        ]
    )
    sums = np.concatenate([np.zeros((1, len(owners)), dtype=np.int64), np.cumsum(days, axis=0)])
    lately = sums[MONTH_DAYS:] > sums[:-MONTH_DAYS]
    rows = [(days[MONTH_DAYS - 1 + k], lately[k]) for k in range(WINDOW_DAYS)]
    active, known = (np.array([per_account(owners, row[part], len(places)) for row in rows]) for part in (0, 1))
    return np.asarray(active / np.maximum(known, 1))


def _unpacked(words: U64, days: int) -> I64:
    """One row a day, the oldest first."""
    return (words >> np.arange(days, dtype=np.uint64)[:, None] & np.uint64(1)).astype(np.int64)


def _week_of_power_users(view: View) -> tuple[F64, Bools]:
    power = view.power
    known = power.count >= MIN_POWER_USERS
    # When none of the reference's users is left, they were renamed or moved, and nothing is known of them.
    known &= power.known_week > 0
    # A total that holds or rises is the matter of `power_user_decline` and `user_mix_shift`.
    known &= ~power.flat & ~power.rising
    low = power.week * view.reference.weeks < MATERIAL * power.days
    return power.week / np.maximum(7 * power.count, 1), known & low


def _attendance(view: View, places: Places) -> F64:
    bits, owners = view.users_of(places)
    power = power_of(bits, owners, view.reference.part(places))
    bits, owners, count = bits[power], owners[power], view.power.count[places]
    before = by_day(last_days(bits, view.day - LAG_DAYS, BASELINE_DAYS), owners, len(places), BASELINE_DAYS)
    after = by_day(last_days(bits, view.day, LAG_DAYS), owners, len(places), LAG_DAYS)
    return np.asarray(np.concatenate([before, after]) / count)


seat_utilisation_drop = RatioDetector(
    Kind(
        name="seat_utilisation_drop",
        dimension="seats_in_use",
        scope="usage",
        yields_to=("usage_drop", "users_drop", "silence", "users_unnamed"),
        family="risk",
        severity="warning",
        level="intermediate",
        unit="share",
        direction="down",
        method="betting-esr",
        evidence="log",
        stream=True,
        told=1,
        contributors=(USERS_DOWN, FEATURES_DOWN),
        play=Play("seat-review", "Ask who no longer needs a seat and why", 5),
        summary="{name}: {observed:.0%} of the seats are in use on a day, {expected:.0%} expected",
        condition="surely fewer of the paid seats are in use on a day than usual; buying seats is no reason",
        resolution="a week is back at 85 % of the expected",
    ),
    week=_week_of_seats,
    daily=_seats_in_use,
)
stickiness_drop = RatioDetector(
    Kind(
        name="stickiness_drop",
        dimension="stickiness",
        scope="usage",
        yields_to=("usage_drop", "users_drop", "silence", "seat_utilisation_drop", "identity_changed", "users_unnamed"),
        by_id=True,
        family="risk",
        severity="warning",
        level="intermediate",
        unit="share",
        direction="down",
        method="betting-esr",
        evidence="log",
        stream=True,
        told=1,
        amended=True,
        contributors=(USERS_DOWN, FEATURES_DOWN),
        play=Play("habit-review", "Ask what brings people back less often", 5),
        summary="{name}: {observed:.0%} of the month's users come on a day, {expected:.0%} expected",
        condition="surely fewer of the month's users come on a day than usual (DAU/MAU)",
        resolution="a week is back at 85 % of the expected",
    ),
    week=_week_of_users,
    daily=_stickiness,
)
power_user_attendance = RatioDetector(
    Kind(
        name="power_user_attendance",
        dimension="power_users_active",
        scope="usage",
        yields_to=("usage_drop", "users_drop", "power_user_decline", "user_mix_shift", "silence", "users_unnamed"),
        family="risk",
        severity="error",
        level="intermediate",
        unit="share",
        direction="down",
        method="betting-esr",
        evidence="log",
        stream=True,
        told=1,
        amended=True,
        contributors=(POWER_USERS_DOWN,),
        play=Play("champion-check", "Call the power users who went quiet", 2),
        summary="{name}: {observed:.0%} of the power users come on a day, {expected:.0%} expected{user}",
        condition="surely fewer of the power users come on a day than usual, and the total falls too",
        resolution="a week is back at 85 % of the expected",
    ),
    week=_week_of_power_users,
    daily=_attendance,
)

DETECTORS = (seat_utilisation_drop, stickiness_drop, power_user_attendance)
