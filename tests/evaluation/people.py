"""Shares of activity: power users who do less while the total is flat, and what must not look like it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tests.evaluation.budget import BUDGETS, REFERENCE_ARL, YEAR_DAYS, FalseAlerts, arl_days
from tests.evaluation.crowd import Bools, Crowd
from tests.evaluation.draws import F64, FIRST_DAY, on_day, weekdays
from tests.evaluation.steps import OURS, Recall
from tests.evaluation.watch import NEVER, Watch, close

KIND = "power_user_decline"
KINDS = (
    KIND, "user_mix_shift", "users_drop", "users_growth", "combined_evidence",
    "seat_utilisation_drop", "stickiness_drop", "power_user_attendance",
)  # fmt: skip
"""Whose false alerts are counted where users are drawn."""
POWER_SHARE = 0.6
"""Of the user-days."""
POWER_DAYS, OTHER_DAYS = 3.0, 1.0
"""A week, of one user."""
ONSET = 140
"""Age at which the first accounts change; the others follow within four weeks, as the reference period moves."""
STAGGER = 28
AFTER = 28
VOLUMES = (20, 70, 300)
"""User-days a week."""
DISPERSIONS = (1.0, 1.5, 2.0)
ACTIONS = 4.0
"""Of an active user on a day."""
STEADY_DAYS = 91


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of the chance to be active, by days since the onset."""

    name: str
    effect: str
    user_days: int
    power: float
    others: float
    lasts: int = 10_000
    harmful: bool = True


def _flat(lost: float) -> float:
    """What the others do so that the total stays flat."""
    return 1.0 + lost * POWER_SHARE / (1.0 - POWER_SHARE)


CHANGES = (
    *(
        Change("power users", f"−{100 * lost:.0f} %, total flat", user_days, 1.0 - lost, _flat(lost))
        for user_days in VOLUMES
        for lost in (0.4, 0.7)
    ),
    *(
        Change("holiday", "everything −50 % for 10 days", user_days, 0.5, 0.5, 10, harmful=False)
        for user_days in VOLUMES
    ),
    Change("everybody", "everything −40 % for good", 70, 0.6, 0.6, harmful=False),
    Change("newcomers", "the others +60 %, power users as before", 70, 1.0, 1.6, harmful=False),
)


class People:
    """Users of accounts who are active by chance.

    Each group of an account has its own luck every day, so that its user-days vary by `dispersion × mean`; a
    dispersion of 1 or less leaves them as independent as coin tosses.
    """

    def __init__(self, accounts: int, user_days: int, dispersion: float, rng: np.random.Generator) -> None:
        self.accounts, self.dispersion, self.rng = accounts, dispersion, rng
        self.power = max(3, round(POWER_SHARE * user_days / POWER_DAYS))
        self.others = round((1.0 - POWER_SHARE) * user_days / OTHER_DAYS)
        self.week = weekdays(accounts, rng)

    @property
    def users(self) -> int:
        """Of one account; the power users come first."""
        return self.power + self.others

    def active(self, day: int, power: F64, others: F64) -> Bools:
        """Who is active: one row an account, one column a user; given what is left of each group's chance."""
        chance = np.empty((self.accounts, self.users), dtype=np.float32)
        usual = on_day(self.week, day)
        chance[:, : self.power] = (self._luck(usual * POWER_DAYS / 7.0, self.power) * power)[:, None]
        chance[:, self.power :] = (self._luck(usual * OTHER_DAYS / 7.0, self.others) * others)[:, None]
        return np.asarray(self.rng.random(chance.shape, dtype=np.float32) < chance)

    def _luck(self, chance: F64, users: int) -> F64:
        if self.dispersion <= 1.0:
            return chance
        variance = (self.dispersion - 1.0 + chance) / ((users - 1) * chance)
        return np.asarray(chance * self.rng.standard_gamma(1.0 / variance) * variance)


def false_alerts(account_years: float, seed: int, tell: Callable[[str], None] = print) -> Iterator[FalseAlerts]:
    """Mix shift where nothing happens, on at least so many account-years a cell."""
    accounts = int(np.ceil(account_years * YEAR_DAYS / STEADY_DAYS))
    for user_days in VOLUMES:
        for dispersion in DISPERSIONS:
            tell(f"false alerts: power users, {user_days} user-days a week, dispersion {dispersion:g}")
            rng = np.random.default_rng((seed, 2, user_days, round(10 * dispersion)))
            watches = [Watch(kind, arl_days(budget)) for kind in KINDS for budget in BUDGETS]
            _live(People(accounts, user_days, dispersion, rng), None, ONSET + STEADY_DAYS, watches)
            for watch in watches:
                alerts = watch.between(FIRST_DAY + ONSET, FIRST_DAY + ONSET + STEADY_DAYS - 1)
                years = accounts * STEADY_DAYS / YEAR_DAYS
                yield FalseAlerts(watch.kind, user_days / 7.0, dispersion, "steady", watch.arl_days, years, alerts)


def recalls(accounts: int, seed: int, tell: Callable[[str], None] = print) -> Iterator[Recall]:
    """Share of accounts alarmed, by change and dispersion."""
    for number, change in enumerate(CHANGES):
        for dispersion in DISPERSIONS[:2]:
            tell(f"recall: {change.name} {change.effect}, {change.user_days} user-days a week")
            rng = np.random.default_rng((seed, 3, number, round(10 * dispersion)))
            yield measure(change, accounts, dispersion, rng)


def measure(change: Change, accounts: int, dispersion: float, rng: np.random.Generator) -> Recall:
    """One change, judged at the reference run length."""
    watch = Watch(KIND, REFERENCE_ARL)
    onset = _live(People(accounts, change.user_days, dispersion, rng), change, ONSET + STAGGER + AFTER, [watch])
    found = watch.first_since(onset)
    delays = np.where(found == NEVER, np.inf, found - onset + 1.0)
    delays[delays > AFTER] = np.inf
    median = float(np.median(delays))
    return Recall(
        change.name,
        change.effect,
        change.user_days / 7.0,
        dispersion,
        OURS,
        accounts,
        AFTER,
        float(np.isfinite(delays).mean()),
        float((delays <= 14).mean()),
        median if np.isfinite(median) else None,
        change.harmful,
    )


def _live(
    people: People, change: Change | None, days: int, watches: list[Watch]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Let the people live so many days; returns the day on which each account changes."""
    onset = FIRST_DAY + ONSET + np.arange(people.accounts) % STAGGER
    crowd = Crowd(people.accounts, FIRST_DAY, people.users)
    crowd.state.accounts.seats[1 : crowd.state.accounts.size] = people.users
    for age in range(days):
        since = crowd.day - onset
        changed = np.zeros(people.accounts, dtype=np.bool_) if change is None else (since >= 0) & (since < change.lasts)
        power, others = (1.0, 1.0) if change is None else (change.power, change.others)
        active = people.active(crowd.day, np.where(changed, power, 1.0), np.where(changed, others, 1.0))
        present = active.sum(axis=1)
        crowd.live(present + people.rng.poisson((ACTIONS - 1.0) * present), active.ravel())
        if age >= ONSET - 14:
            close(crowd, watches)
        crowd.pass_midnight()
    return onset
