"""Recall and delay on daily counts that fall: at once, slowly, or for a few days only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.terms.arrays import F64, I64
from tests.evaluation.budget import DEFAULT_ARL, YEAR_DAYS
from tests.evaluation.crowd import Crowd
from tests.evaluation.draws import FIRST_DAY, counts
from tests.evaluation.others import METHODS, Method, first_since, openings, tuned
from tests.evaluation.task import Size, Task
from tests.evaluation.watch import NEVER, Watch, close

ONSET = 112
"""Age at which the first accounts change; the others follow within a week."""
KINDS = ("usage_drop", "silence", "usage_decline")
OURS = "foreshock"
SLOW_DAYS = 112
STEP_DAYS = 56
CALM_DAYS = 294
"""Of the accounts to which nothing happens."""
COUNTED_DAYS = 91
"""The last of them, of which alarms count."""
CLOSED_FROM = 56


@dataclass(frozen=True, slots=True)
class Scenario:
    """What becomes of an account's mean count: its share left, by days since the onset."""

    name: str
    effect: str
    volume: float
    dispersion: float
    days: int
    """How long after the onset an alert finds it."""
    left: Callable[[I64], F64]
    harmful: bool = True
    """Whether it should be found."""


@dataclass(frozen=True, slots=True)
class Recall:
    """How a method did on one scenario."""

    scenario: str
    effect: str
    volume: float
    dispersion: float
    method: str
    accounts: int
    within_days: int
    found: float
    """Share of the accounts."""
    found_14: float
    """Share found within 14 days."""
    median_days: float | None
    """Median delay over all accounts; nothing when fewer than half are found."""
    harmful: bool = True
    false_per_year: float | None = None
    """False alarms per account-year of the method as it is set, on accounts alike, where that was measured."""


def _step(name: str, effect: str, share: float, volume: float, dispersion: float) -> Scenario:
    return Scenario(name, effect, volume, dispersion, STEP_DAYS, lambda since: np.where(since >= 0, share, 1.0))


def _decline(weekly: float, volume: float, dispersion: float) -> Scenario:
    def left(since: I64) -> F64:
        return np.asarray((1.0 - weekly) ** (np.maximum(since, 0) / 7.0))

    return Scenario("slow decline", f"−{100 * weekly:.0f} % a week", volume, dispersion, SLOW_DAYS, left)


def _pause(name: str, effect: str, share: float, days: int, volume: float) -> Scenario:
    def left(since: I64) -> F64:
        return np.where((since >= 0) & (since < days), share, 1.0)

    return Scenario(name, effect, volume, 2.0, 28, left, harmful=False)


SCENARIOS = (
    *(
        _step("step", f"−{100 * (1 - share):.0f} %", share, volume, dispersion)
        for share in (0.7, 0.4, 0.0)
        for volume in (0.3, 2.0, 10.0, 100.0)
        for dispersion in (1.0, 2.0, 5.0)
        if share > 0.0 or dispersion == 2.0
    ),
    *(_decline(weekly, volume, 2.0) for weekly in (0.02, 0.04, 0.08) for volume in (10.0, 100.0)),
    *(_pause("company holiday, unannounced", "nobody for 5 days", 0.0, 5, volume) for volume in (10.0, 100.0)),
)


CELLS = tuple(dict.fromkeys((scenario.volume, scenario.dispersion) for scenario in SCENARIOS))
"""Volumes and dispersions: on each the other methods are set once."""


@dataclass(frozen=True, slots=True)
class Calm:
    """Accounts of one volume and dispersion to which nothing happens, and how each method is set on them."""

    false_per_year: Mapping[str, float]
    """Of each method."""
    settings: Mapping[str, float]
    """Of each of the other methods."""
    bars: Mapping[str, float]
    """Of ranked kinds, as they have become in a fleet of such accounts."""


def tasks(size: Size) -> list[Task]:
    """Every scenario, those of one volume and dispersion together."""
    return [
        Task(
            f"recall: counts of {volume:g} a day, dispersion {dispersion:g}",
            partial(_of_cell, size, volume, dispersion),
        )
        for volume, dispersion in CELLS
    ]


def _of_cell(size: Size, volume: float, dispersion: float) -> Iterator[Recall]:
    rng = np.random.default_rng((size.seed, 8, CELLS.index((volume, dispersion))))
    calm = set_on(counts(np.full(4 * size.compared, volume), dispersion, CALM_DAYS, rng))
    for number, scenario in enumerate(SCENARIOS):
        if (scenario.volume, scenario.dispersion) == (volume, dispersion):
            rng = np.random.default_rng((size.seed, 1, number))
            yield from measure(scenario, size.accounts, size.compared, rng, calm)


def set_on(drawn: I64) -> Calm:
    """Set the other methods to as many false alarms as ours, one at least, on accounts to which nothing happens."""
    first = len(drawn) - COUNTED_DAYS
    years = drawn.shape[1] * COUNTED_DAYS / YEAR_DAYS
    watches = _watched(drawn)
    ours = sum(watch.between(FIRST_DAY + first, FIRST_DAY + len(drawn) - 1) for watch in watches)
    settings, rates = dict[str, float](), {OURS: ours / years}
    for name, method in METHODS.items():

        def alarms(setting: float, method: Method = method) -> float:
            return float(openings(method.raised(drawn.astype(np.float64), setting))[first:].sum())

        settings[name] = tuned(method.quiet, method.loud, alarms, max(ours, 1))
        rates[name] = alarms(settings[name]) / years
    bars = {watch.kind: watch.bars.values[watch.kind] for watch in watches if watch.is_ranked}
    return Calm(rates, settings, bars)


def measure(
    scenario: Scenario, accounts: int, compared: int, rng: np.random.Generator, calm: Calm | None = None
) -> Iterator[Recall]:
    """One scenario, by the product and, on the first `compared` accounts, by the other methods as they are set."""
    onset = ONSET + np.arange(accounts) % 7
    days = ONSET + 7 + scenario.days
    left = scenario.left(np.arange(days)[:, None] - onset)
    drawn = counts(np.full(accounts, scenario.volume), scenario.dispersion, days, rng, left)
    watches = _watched(drawn, calm.bars if calm else {})
    yield _recall(scenario, OURS, _first(watches, onset), onset, calm)
    few = drawn[:, :compared].astype(np.float64)
    for name, setting in calm.settings.items() if calm else ():
        opened = openings(METHODS[name].raised(few, setting))
        yield _recall(scenario, name, first_since(opened, onset[:compared]), onset[:compared], calm)


def _watched(drawn: I64, bars: Mapping[str, float] | None = None) -> list[Watch]:
    """What ours tells of such days; without bars they follow."""
    settled = bars or {}
    watches = [Watch(kind, DEFAULT_ARL, settled.get(kind)) for kind in KINDS]
    crowd = Crowd(drawn.shape[1], FIRST_DAY)
    for age, today in enumerate(drawn):
        crowd.live(today)
        if age >= CLOSED_FROM:
            close(crowd, watches)
        crowd.pass_midnight()
    return watches


def _first(watches: Sequence[Watch], onset: I64) -> I64:
    found = np.stack([watch.first_since(FIRST_DAY + onset) for watch in watches])
    return np.asarray(np.where(found == NEVER, 2**31, found).min(axis=0) - FIRST_DAY)


def _recall(scenario: Scenario, method: str, found: I64, onset: I64, calm: Calm | None) -> Recall:
    # The day of the onset is the first that can be judged: an alert at its close took one day.
    delays = np.where(found >= onset, found - onset + 1.0, np.inf)
    delays[delays > scenario.days] = np.inf
    median = float(np.median(delays))
    return Recall(
        scenario.name,
        scenario.effect,
        scenario.volume,
        scenario.dispersion,
        method,
        len(onset),
        scenario.days,
        float(np.isfinite(delays).mean()),
        float((delays <= 14).mean()),
        median if np.isfinite(median) else None,
        scenario.harmful,
        None if calm is None else calm.false_per_year[method],
    )
