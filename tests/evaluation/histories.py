"""Shares of activity while accounts are young: false alerts by age, and how soon the founding case is found by history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.terms.arrays import F64, I64
from tests.evaluation import people, roles
from tests.evaluation.budget import YEAR_DAYS, FalseAlerts, arl_days
from tests.evaluation.crowd import Crowd
from tests.evaluation.draws import FIRST_DAY
from tests.evaluation.people import Groups, People
from tests.evaluation.roles import Staff
from tests.evaluation.steps import OURS, Recall
from tests.evaluation.watch import NEVER, Watch, close

BUDGET = 1.0
"""The default's."""
AGES = range(28, 112, 14)
"""From each a fortnight of false alerts is counted apart."""
HISTORIES = (30, 45, 60, 75)
"""Days of use before power users do less."""
LOST = 0.6
"""They lose at least so much of their activity, at most all of it."""
VOLUMES = (70, 150)
"""User-days a week of accounts whose power users do less."""


class Alike(Groups):
    """Users who all come as often: who is a power user is chance."""

    def __init__(self, accounts: int, user_days: int, dispersion: float, rng: np.random.Generator) -> None:
        super().__init__(accounts, [round(user_days / people.OTHER_DAYS / 1.5)], [1.5], dispersion, rng)


@dataclass(frozen=True, slots=True)
class Cell:
    """People to whom nothing happens, and the kinds that are watched."""

    name: str
    kinds: tuple[str, ...]
    draw: Callable[[int, int, float, np.random.Generator], Groups]
    user_days: int
    dispersion: float


SHARES = (people.KIND, "user_mix_shift")
CELLS = (
    *(Cell("", SHARES, People, user_days, dispersion) for user_days in (20, 70) for dispersion in (1.0, 2.0)),
    Cell(", all alike", SHARES, Alike, 70, 1.0),
    *(Cell("", (roles.KIND,), Staff, 70, dispersion) for dispersion in (1.0, 2.0)),
)


def false_alerts(account_years: float, seed: int, tell: Callable[[str], None] = print) -> Iterator[FalseAlerts]:
    """What is told by age where nothing happens, on at least so many account-years a cell."""
    accounts = int(np.ceil(account_years * YEAR_DAYS / len(AGES) / AGES.step))
    for number, cell in enumerate(CELLS):
        tell(f"false alerts by age: {cell.kinds[0]}{cell.name}, {cell.user_days} user-days a week")
        rng = np.random.default_rng((seed, 6, number))
        yield from by_age(cell, accounts, rng)


def by_age(cell: Cell, accounts: int, rng: np.random.Generator) -> Iterator[FalseAlerts]:
    """One cell, a fortnight of age at a time."""
    watches = [Watch(kind, arl_days(BUDGET)) for kind in cell.kinds]
    begun = _live(cell.draw(accounts, cell.user_days, cell.dispersion, rng), AGES.stop, watches)
    years = accounts * AGES.step / YEAR_DAYS
    for watch in watches:
        ages = np.array([day - begun[row - 1] for day, row in watch.openings])
        for age in AGES:
            alerts = int(np.count_nonzero((ages >= age) & (ages < age + AGES.step)))
            history = f"{age} to {age + AGES.step - 1} days{cell.name}"
            volume = cell.user_days / 7.0
            yield FalseAlerts(watch.kind, volume, cell.dispersion, history, watch.arl_days, years, alerts)


def recalls(accounts: int, seed: int, tell: Callable[[str], None] = print) -> Iterator[Recall]:
    """Share of accounts whose power users are found, by the days that were known of them."""
    for number, history in enumerate(HISTORIES):
        for user_days in VOLUMES:
            tell(f"recall: power users after {history} days, {user_days} user-days a week")
            rng = np.random.default_rng((seed, 7, number, user_days))
            yield measure(history, user_days, accounts, rng)


def measure(history: int, user_days: int, accounts: int, rng: np.random.Generator) -> Recall:
    """One length of history."""
    lost = rng.uniform(LOST, 1.0, accounts)
    power, others = people.POWER_SHARE, 1.0 - people.POWER_SHARE
    watches = [Watch(kind, arl_days(BUDGET)) for kind in SHARES]
    drawn = People(accounts, user_days, 1.0, rng)
    onset = history + _live(drawn, history + 14, watches, history, (1.0 - lost, 1.0 + lost * power / others))
    found = [np.where(day == NEVER, np.inf, day - onset + 1.0) for day in (one.first_since(onset) for one in watches)]
    delays = np.minimum(*found)
    median = float(np.median(delays))
    return Recall(
        "power users by history",
        f"−60 % and more after {history} days",
        user_days / 7.0,
        1.0,
        OURS,
        accounts,
        7,
        float((delays <= 7).mean()),
        float((delays <= 14).mean()),
        median if np.isfinite(median) else None,
    )


def _live(
    drawn: Groups, days: int, watches: list[Watch], history: int = 10_000, left: tuple[F64, ...] = ()
) -> I64:
    """Let people live so many days of their accounts; returns the day on which each account begins.

    After the days of history, what is left of each group's chance is `left`.
    """
    begun = FIRST_DAY + np.arange(drawn.accounts) % 7
    crowd = Crowd(drawn.accounts, FIRST_DAY, drawn.users, drawn.roles)
    whole = np.ones(drawn.accounts)
    for day in range(days + 6):
        age = crowd.day - begun
        shares = [np.where(age >= history, share, 1.0) for share in left] or [whole] * len(drawn.sizes)
        active = drawn.active(crowd.day, *shares) & ((age >= 0) & (age < days))[:, None]
        present = active.sum(axis=1)
        crowd.live(present + drawn.rng.poisson((people.ACTIONS - 1.0) * present), active.ravel())
        if day >= min(AGES.start, history):
            close(crowd, watches)
        crowd.pass_midnight()
    return begun
