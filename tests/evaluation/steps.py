"""Recall and delay on daily counts that fall: at once, slowly, or for a few days only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.terms.arrays import F64, I64
from tests.evaluation.budget import REFERENCE_ARL
from tests.evaluation.crowd import Crowd
from tests.evaluation.draws import FIRST_DAY, counts
from tests.evaluation.others import METHODS, first_since, openings
from tests.evaluation.watch import NEVER, Watch, close

ONSET = 112
"""Age at which the first accounts change; the others follow within a week."""
KINDS = ("usage_drop", "silence")
OURS = "foreshock"
SLOW_DAYS = 112
STEP_DAYS = 56


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


def recalls(accounts: int, seed: int, compared: int, tell: Callable[[str], None] = print) -> Iterator[Recall]:
    """Measure every scenario on so many accounts, and the other methods on the first `compared` of them."""
    for number, scenario in enumerate(SCENARIOS):
        tell(
            f"recall: {scenario.name} {scenario.effect}, {scenario.volume:g} a day, dispersion {scenario.dispersion:g}"
        )
        yield from measure(scenario, accounts, compared, np.random.default_rng((seed, 1, number)))


def measure(scenario: Scenario, accounts: int, compared: int, rng: np.random.Generator) -> Iterator[Recall]:
    """One scenario, by the product and by the other methods."""
    onset = ONSET + np.arange(accounts) % 7
    days = ONSET + 7 + scenario.days
    left = scenario.left(np.arange(days)[:, None] - onset)
    drawn = counts(np.full(accounts, scenario.volume), scenario.dispersion, days, rng, left)
    yield _recall(scenario, OURS, _ours(drawn, onset), onset)
    few = drawn[:, :compared]
    for name, method in METHODS.items() if compared else ():
        yield _recall(scenario, name, first_since(openings(method(few)), onset[:compared]), onset[:compared])


def _ours(drawn: I64, onset: I64) -> I64:
    watches = [Watch(kind, REFERENCE_ARL) for kind in KINDS]
    crowd = Crowd(drawn.shape[1], FIRST_DAY)
    for age, today in enumerate(drawn):
        crowd.live(today)
        if age >= ONSET - 14:
            close(crowd, watches)
        crowd.pass_midnight()
    found = np.stack([watch.first_since(FIRST_DAY + onset) for watch in watches])
    return np.asarray(np.where(found == NEVER, 2**31, found).min(axis=0) - FIRST_DAY)


def _recall(scenario: Scenario, method: str, found: I64, onset: I64) -> Recall:
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
    )
