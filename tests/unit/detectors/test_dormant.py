"""Accounts used in some weeks only, and the probability that they are customers still."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config import EngineConfig
from pipeline.detectors import dormant
from pipeline.evidence.alive import alive, weeks_of
from pipeline.kinds import KINDS
from pipeline.state.members import mark_day
from tests.support.handmade import MONTHS, TODAY, World


def probability(active: int, last: int, weeks: int) -> float:
    """By summing over a fine grid of both chances instead of by the closed form."""
    use, leave = np.meshgrid((np.arange(400) + 0.5) / 400, (np.arange(4000) + 0.5) / 4000)
    prior = (1 - leave) ** 39
    here = prior * use**active * (1 - use) ** (weeks - active) * (1 - leave) ** weeks
    gone = sum(
        prior * leave * (1 - leave) ** lived * use**active * (1 - use) ** (lived - active)
        for lived in range(last, weeks)
    )
    return float(here.sum() / (here.sum() + np.sum(gone)))


@pytest.mark.parametrize("weeks", [(12, 12, 12), (6, 6, 12), (4, 7, 12), (9, 9, 12), (3, 3, 4), (1, 1, 12)])
def test_the_probability_of_being_alive_is_that_of_the_model(weeks: tuple[int, int, int]) -> None:
    assert alive(*(np.array([number]) for number in weeks))[0] == pytest.approx(probability(*weeks), rel=1e-3)


def test_weeks_are_counted_from_the_first_active_one() -> None:
    bits = np.zeros((3, 2), dtype=np.uint64)
    for row, days in enumerate(([TODAY - 60, TODAY - 55, TODAY - 20], [TODAY], [])):
        for day in days:
            mark_day(bits, np.array([row]), day)
    active, last, weeks = weeks_of(bits, TODAY)
    # Weeks back of the three days: 8, 7 and 2.
    assert (active.tolist(), last.tolist(), weeks.tolist()) == ([3, 1, 0], [7, 1, 0], [9, 1, 0])


def weekly(until: int, every: int = 7, actions: float = 2.0, arl_days: float = 2800.0) -> World:
    world = World(EngineConfig(arl_days=arl_days))
    world.use(world.account("acme"), range(until, MONTHS.start - 1, -every), actions)
    world.accounts.first_usage_day[1] = MONTHS.start
    return world


def raised(world: World) -> bool:
    return bool(dormant.evaluate(world.view(arl_days=world.state.config.run_length_days)).raised[0])


@pytest.mark.parametrize(
    ("gap", "every", "expected"), [(36, 7, True), (15, 7, False), (36, 14, False), (22, 2, False), (36, 2, True)]
)
def test_an_account_is_gone_after_more_weeks_the_fewer_it_used_to_come(gap: int, every: int, expected: bool) -> None:
    assert raised(weekly(TODAY - gap, every)) is expected


def test_an_account_whose_level_can_be_judged_is_not_guessed_at() -> None:
    assert raised(weekly(TODAY - 30, 1, 0.5))
    assert not raised(weekly(TODAY - 30, 1, 9.0))


def test_a_stricter_budget_asks_for_more_certainty() -> None:
    assert [raised(weekly(TODAY - 36, arl_days=days)) for days in (8_000.0, 160_000.0)] == [True, False]


def test_an_account_is_back_with_two_weeks_of_use() -> None:
    world = weekly(TODAY - 36)
    answers = []
    for day in (TODAY - 9, TODAY - 8, TODAY):
        world.use(1, [day])
        view = world.view()
        answers.append(dormant.cleared(view, dormant.evaluate(view), 0, 7.0))
    assert answers == [False, False, True]


def test_a_probability_scores_as_the_evidence_that_it_is() -> None:
    assert KINDS["dormant"].score("warning", 0.9) == pytest.approx(np.log(10), abs=1e-4)
