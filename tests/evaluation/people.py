"""Shares of activity: power users who do less while the total is flat, and what must not look like it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.terms.arrays import F64, I64, Bools
from tests.evaluation.budget import BUDGETS, DEFAULT_ARL, YEAR_DAYS, FalseAlerts, arl_days
from tests.evaluation.crowd import Crowd
from tests.evaluation.draws import FIRST_DAY, on_day, weekdays
from tests.evaluation.steps import OURS, Recall
from tests.evaluation.task import Size, Task
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
    left: tuple[float, ...]
    """Of each group's chance."""
    lasts: int = 10_000
    harmful: bool = True


def _flat(lost: float) -> float:
    """What the others do so that the total stays flat."""
    return 1.0 + lost * POWER_SHARE / (1.0 - POWER_SHARE)


CHANGES = (
    *(
        Change("power users", f"−{100 * lost:.0f} %, total flat", user_days, (1.0 - lost, _flat(lost)))
        for user_days in VOLUMES
        for lost in (0.4, 0.7)
    ),
    *(
        Change("holiday", "everything −50 % for 10 days", user_days, (0.5, 0.5), 10, harmful=False)
        for user_days in VOLUMES
    ),
    Change("everybody", "everything −40 % for good", 70, (0.6, 0.6), harmful=False),
    Change("newcomers", "the others +60 %, power users as before", 70, (1.0, 1.6), harmful=False),
)


class Groups:
    """Users of accounts who are active by chance.

    Each group of an account has its own luck every day, so that its user-days vary by `dispersion × mean`; a
    dispersion of 1 or less leaves them as independent as coin tosses.

    Args:
        sizes: users of each group of an account; they stand one group after the other.
        days: a week, of one user of each group.
    """

    roles: I64 | None = None
    """Of each user of an account, where roles are known."""

    def __init__(
        self,
        accounts: int,
        sizes: Sequence[int],
        days: Sequence[float],
        dispersion: float,
        rng: np.random.Generator,
    ) -> None:
        self.accounts, self.sizes, self.days, self.dispersion, self.rng = accounts, sizes, days, dispersion, rng
        self.week = weekdays(accounts, rng)

    @property
    def users(self) -> int:
        """Of one account."""
        return sum(self.sizes)

    def active(self, day: int, *left: F64) -> Bools:
        """Who is active: one row an account, one column a user; given what is left of each group's chance."""
        chance = np.empty((self.accounts, self.users), dtype=np.float32)
        usual, first = on_day(self.week, day), 0
        for size, days, of_group in zip(self.sizes, self.days, left, strict=True):
            chance[:, first : first + size] = (self._luck(usual * days / 7.0, size) * of_group)[:, None]
            first += size
        return np.asarray(self.rng.random(chance.shape, dtype=np.float32) < chance)

    def _luck(self, chance: F64, users: int) -> F64:
        if self.dispersion <= 1.0:
            return chance
        variance = (self.dispersion - 1.0 + chance) / ((users - 1) * chance)
        return np.asarray(chance * self.rng.standard_gamma(1.0 / variance) * variance)


class People(Groups):
    """Power users and others."""

    def __init__(self, accounts: int, user_days: int, dispersion: float, rng: np.random.Generator) -> None:
        self.power = max(3, round(POWER_SHARE * user_days / POWER_DAYS))
        others = round((1.0 - POWER_SHARE) * user_days / OTHER_DAYS)
        super().__init__(accounts, (self.power, others), (POWER_DAYS, OTHER_DAYS), dispersion, rng)


def tasks(size: Size) -> list[Task]:
    """Accounts to which nothing happens, and the changes."""
    return tasks_of(size, People, KINDS, CHANGES, measure, 2)


def tasks_of(
    size: Size,
    draw: Callable[[int, int, float, np.random.Generator], Groups],
    kinds: Sequence[str],
    changes: Sequence[Change],
    found: Callable[[Change, int, float, np.random.Generator], Recall],
    key: int,
) -> list[Task]:
    """What kinds tell of such people where nothing happens, and what is found of their changes.

    Args:
        size: how much.
        draw: the people.
        kinds: whose false alerts are counted.
        changes: what happens to them.
        found: measures a change.
        key: of their draws, and the next number.
    """
    accounts = steady_accounts(size.account_years)

    def calm(user_days: int, dispersion: float) -> Iterator[FalseAlerts]:
        rng = np.random.default_rng((size.seed, key, user_days, round(10 * dispersion)))
        yield from steady(kinds, draw(accounts, user_days, dispersion, rng), user_days / 7.0)

    def changed(number: int, dispersion: float) -> Iterator[Recall]:
        rng = np.random.default_rng((size.seed, key + 1, number, round(10 * dispersion)))
        yield found(changes[number], size.accounts, dispersion, rng)

    return [
        *(
            Task(
                f"false alerts: {kinds[0]}, {user_days} user-days a week, dispersion {dispersion:g}",
                partial(calm, user_days, dispersion),
            )
            for user_days in VOLUMES
            for dispersion in DISPERSIONS
        ),
        *(
            Task(
                f"recall: {change.name} {change.effect}, dispersion {dispersion:g}",
                partial(changed, number, dispersion),
            )
            for number, change in enumerate(changes)
            for dispersion in DISPERSIONS[:2]
        ),
    ]


def steady_accounts(account_years: float) -> int:
    """Accounts that are needed for at least so many account-years."""
    return int(np.ceil(account_years * YEAR_DAYS / STEADY_DAYS))


def steady(kinds: Sequence[str], people: Groups, volume: float) -> Iterator[FalseAlerts]:
    """What kinds tell of people to whom nothing happens."""
    watches = [Watch(kind, arl_days(budget)) for kind in kinds for budget in BUDGETS]
    _live(people, None, ONSET + STEADY_DAYS, watches)
    for watch in watches:
        alerts = watch.between(FIRST_DAY + ONSET, FIRST_DAY + ONSET + STEADY_DAYS - 1)
        years = people.accounts * STEADY_DAYS / YEAR_DAYS
        yield FalseAlerts(watch.kind, volume, people.dispersion, "steady", watch.arl_days, years, alerts)


def measure(change: Change, accounts: int, dispersion: float, rng: np.random.Generator) -> Recall:
    """One change, judged at the default run length."""
    return alarmed(KIND, change, People(accounts, change.user_days, dispersion, rng))


def alarmed(kind: str, change: Change, people: Groups) -> Recall:
    """What a kind tells of a change."""
    watch = Watch(kind, DEFAULT_ARL)
    onset = _live(people, change, ONSET + STAGGER + AFTER, [watch])
    found = watch.first_since(onset)
    delays = np.where(found == NEVER, np.inf, found - onset + 1.0)
    delays[delays > AFTER] = np.inf
    median = float(np.median(delays))
    return Recall(
        change.name,
        change.effect,
        change.user_days / 7.0,
        people.dispersion,
        OURS,
        people.accounts,
        AFTER,
        float(np.isfinite(delays).mean()),
        float((delays <= 14).mean()),
        median if np.isfinite(median) else None,
        change.harmful,
    )


def _live(
    people: Groups, change: Change | None, days: int, watches: list[Watch]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Let the people live so many days; returns the day on which each account changes."""
    onset = FIRST_DAY + ONSET + np.arange(people.accounts) % STAGGER
    crowd = Crowd(people.accounts, FIRST_DAY, people.users, people.roles)
    crowd.state.accounts.seats[1 : crowd.state.accounts.size] = people.users
    for age in range(days):
        since = crowd.day - onset
        changed = np.zeros(people.accounts, dtype=np.bool_) if change is None else (since >= 0) & (since < change.lasts)
        left = [1.0] * len(people.sizes) if change is None else change.left
        active = people.active(crowd.day, *(np.where(changed, of_group, 1.0) for of_group in left))
        present = active.sum(axis=1)
        crowd.live(present + people.rng.poisson((ACTIONS - 1.0) * present), active.ravel())
        if age >= ONSET - 14:
            close(crowd, watches)
        crowd.pass_midnight()
    return onset
