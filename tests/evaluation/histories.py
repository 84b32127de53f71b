"""Shares of activity while accounts are young: false alerts by age, and how soon a decline is found by history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.terms.arrays import F64, I64
from tests.evaluation import people, roles
from tests.evaluation.budget import DEFAULT_ARL, YEAR_DAYS, FalseAlerts
from tests.evaluation.crowd import Crowd
from tests.evaluation.draws import FIRST_DAY
from tests.evaluation.people import Groups, People
from tests.evaluation.roles import Staff
from tests.evaluation.steps import OURS, Recall
from tests.evaluation.task import Size, Task
from tests.evaluation.watch import NEVER, Watch, close

KINDS = (people.KIND, "user_mix_shift")
AGES = range(28, 112, 14)
"""From each a fortnight of false alerts is counted apart."""
LOST = 0.6
"""Power users lose at least so much of their activity, at most all of it."""
WITHIN_DAYS, LATER_DAYS = 7, 14


class Alike(Groups):
    """Users who all come as often: who is a power user is chance."""

    def __init__(self, accounts: int, user_days: int, dispersion: float, rng: np.random.Generator) -> None:
        super().__init__(accounts, [round(user_days / 1.5)], [1.5], dispersion, rng)


@dataclass(frozen=True, slots=True)
class Cell:
    """People to whom nothing happens, in accounts of several volumes together."""

    name: str
    kinds: tuple[str, ...]
    draw: Callable[[int, int, float, np.random.Generator], Groups]
    volumes: tuple[int, ...]
    """User-days a week."""
    dispersion: float
    times: int = 1
    """As many accounts as others: near the budget, bounds of fewer say nothing."""

    def history(self, age: int) -> str:
        """How a fortnight of age is called."""
        return f"{age} to {age + AGES.step - 1} days{self.name}"


CELLS = (
    Cell("", KINDS, People, (20, 40, 70), 2.0),
    Cell(", all alike", KINDS, Alike, (70,), 1.0),
    Cell("", (roles.KIND,), Staff, (20, 70), 2.0, times=3),
)


@dataclass(frozen=True, slots=True)
class History:
    """Power users who do less when so many days are known of them."""

    days: int
    user_days: int
    """A week."""
    at_once: float
    later: float
    """Share of the accounts that must be found within 7 days, and within 14."""

    NAME = "power users by history"

    @property
    def effect(self) -> str:
        """What happens."""
        return f"−{100 * LOST:.0f} % and more after {self.days} days"


HISTORIES = (
    History(30, 70, 0.20, 0.90),
    History(45, 70, 0.75, 0.97),
    History(60, 70, 0.92, 0.97),
    History(75, 70, 0.95, 0.99),
    History(30, 150, 0.30, 0.95),
    History(45, 150, 0.89, 0.97),
    History(60, 150, 0.97, 0.97),
    History(75, 150, 0.99, 0.99),
)


def tasks(size: Size) -> list[Task]:
    """False alerts by age, on at least so many account-years of each volume, and what is found by history."""
    accounts = int(np.ceil(size.account_years * YEAR_DAYS / len(AGES) / AGES.step))

    def calm(number: int) -> Iterator[FalseAlerts]:
        yield from by_age(CELLS[number], CELLS[number].times * accounts, np.random.default_rng((size.seed, 6, number)))

    def found(number: int) -> Iterator[Recall]:
        yield measure(HISTORIES[number], size.accounts, np.random.default_rng((size.seed, 7, number)))

    return [
        *(
            Task(
                f"false alerts by age: {cell.kinds[0]}{cell.name}, dispersion {cell.dispersion:g}",
                partial(calm, number),
            )
            for number, cell in enumerate(CELLS)
        ),
        *(
            Task(f"recall: power users {history.effect}, {history.user_days} user-days a week", partial(found, number))
            for number, history in enumerate(HISTORIES)
        ),
    ]


def by_age(cell: Cell, accounts: int, rng: np.random.Generator) -> Iterator[FalseAlerts]:
    """One cell on so many accounts of each volume, a fortnight of age at a time."""
    alerts = np.zeros((len(cell.kinds), len(AGES)), dtype=np.int64)
    for user_days in cell.volumes:
        watches = [Watch(kind, DEFAULT_ARL) for kind in cell.kinds]
        begun = _live(cell.draw(accounts, user_days, cell.dispersion, rng), AGES.stop, watches)
        for number, watch in enumerate(watches):
            ages = [day - begun[row - 1] for day, row in watch.openings]
            alerts[number] += np.histogram(ages, [*AGES, AGES.stop])[0]
    years = len(cell.volumes) * accounts * AGES.step / YEAR_DAYS
    volume = float(np.mean(cell.volumes)) / 7.0
    for kind, of_kind in zip(cell.kinds, alerts.tolist(), strict=True):
        for age, count in zip(AGES, of_kind, strict=True):
            yield FalseAlerts(kind, volume, cell.dispersion, cell.history(age), DEFAULT_ARL, years, count)


def measure(history: History, accounts: int, rng: np.random.Generator) -> Recall:
    """One length of history, judged at the default run length."""
    lost = rng.uniform(LOST, 1.0, accounts)
    left = (1.0 - lost, 1.0 + lost * people.POWER_SHARE / (1.0 - people.POWER_SHARE))
    watches = [Watch(kind, DEFAULT_ARL) for kind in KINDS]
    drawn = People(accounts, history.user_days, 1.0, rng)
    onset = history.days + _live(drawn, history.days + LATER_DAYS, watches, history.days, left)
    found = np.array([watch.first_since(onset) for watch in watches])
    delays = np.where(found == NEVER, np.inf, found - onset + 1.0).min(axis=0)
    median = float(np.median(delays))
    return Recall(
        History.NAME,
        history.effect,
        history.user_days / 7.0,
        drawn.dispersion,
        OURS,
        accounts,
        WITHIN_DAYS,
        float((delays <= WITHIN_DAYS).mean()),
        float((delays <= LATER_DAYS).mean()),
        median if np.isfinite(median) else None,
    )


def _live(drawn: Groups, days: int, watches: list[Watch], history: int = AGES.stop, left: tuple[F64, ...] = ()) -> I64:
    """Let people live so many days of their accounts; returns the day on which each account begins.

    After the days of history, what is left of each group's chance is `left`.
    """
    begun = FIRST_DAY + np.arange(drawn.accounts) % 7
    crowd = Crowd(drawn.accounts, FIRST_DAY, drawn.users, drawn.roles)
    whole = np.ones(drawn.accounts)
    for day in range(days + 6):
        age = crowd.day - begun
        shares = [np.where(age >= history, share, whole) for share in left] or [whole] * len(drawn.sizes)
        active = drawn.active(crowd.day, *shares) & ((age >= 0) & (age < days))[:, None]
        present = active.sum(axis=1)
        crowd.live(present + drawn.rng.poisson((people.ACTIONS - 1.0) * present), active.ravel())
        if day >= min(AGES.start, history):
            close(crowd, watches)
        crowd.pass_midnight()
    return begun
