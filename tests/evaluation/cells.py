"""False alerts of the kinds that watch counts, on accounts of many volumes and dispersions to which nothing happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.terms.arrays import I64
from tests.evaluation.budget import BUDGETS, YEAR_DAYS, FalseAlerts, arl_days
from tests.evaluation.crowd import Crowd
from tests.evaluation.draws import FIRST_DAY, counts, levels
from tests.evaluation.task import Size, Task
from tests.evaluation.watch import Watch, close

VOLUMES = (0.3, 2.0, 10.0, 100.0)
DISPERSIONS = (1.0, 2.0, 5.0, 10.0)
KINDS = ("usage_drop", "ticket_surge")
"""Of a proved run length; the bars of ranked kinds follow a whole fleet, so those are measured on streams."""


@dataclass(frozen=True, slots=True)
class History:
    """How old accounts are while their false alerts are counted."""

    name: str
    begins: int
    """Age in days from which alerts are counted."""
    ends: int
    judged_from: int
    """Age from which they are judged: what is open when counting begins does not count."""

    @property
    def days(self) -> int:
        """Days that count."""
        return self.ends - self.begins


HISTORIES = (
    History("7 days", 7, 14, 1),
    History("14 days", 14, 28, 7),
    History("28 days", 28, 84, 7),
    History("steady", 112, 203, 98),
)


def tasks(size: Size) -> list[Task]:
    """Every cell."""
    return [
        Task(
            f"false alerts: {history.name} of history, {volume:g} a day, dispersion {dispersion:g}",
            partial(_drawn, size, history, volume, dispersion),
        )
        for history in HISTORIES
        for volume in VOLUMES
        for dispersion in DISPERSIONS
    ]


def _drawn(size: Size, history: History, volume: float, dispersion: float) -> Iterator[FalseAlerts]:
    """One cell on at least so many account-years."""
    key = (size.seed, HISTORIES.index(history), VOLUMES.index(volume), DISPERSIONS.index(dispersion))
    rng = np.random.default_rng(key)
    accounts = int(np.ceil(size.account_years * YEAR_DAYS / history.days))
    drawn = counts(levels(volume, accounts, rng), dispersion, history.ends, rng)
    yield from measure(history, volume, dispersion, drawn)


def measure(history: History, volume: float, dispersion: float, drawn: I64) -> Iterator[FalseAlerts]:
    """One cell: each kind at each budget."""
    watches = [Watch(kind, arl_days(budget)) for kind in KINDS for budget in BUDGETS]
    crowd = Crowd(drawn.shape[1], FIRST_DAY)
    for age, today in enumerate(drawn):
        crowd.live(today, tickets=today)
        if age >= history.judged_from:
            close(crowd, watches)
        crowd.pass_midnight()
    years = drawn.shape[1] * history.days / YEAR_DAYS
    for watch in watches:
        alerts = watch.between(FIRST_DAY + history.begins, FIRST_DAY + history.ends - 1)
        yield FalseAlerts(watch.kind, volume, dispersion, history.name, watch.arl_days, years, alerts)
