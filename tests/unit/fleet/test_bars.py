"""Bars of ranked kinds: as many alarms as were asked for, whatever the scores are."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.fleet.bars import FIRST_BAR, LEAST_BAR, MOST_BAR, QUARTER, Bars
from pipeline.fleet.merged import Fleet
from pipeline.terms.fleet_day import FleetDay, Ranked

RATE = 0.1 / QUARTER


def bar_after(*days: Ranked) -> float:
    bars = Bars(RATE)
    for day in days:
        bars.advance({"silence": day})
    return bars.values["silence"]


def test_a_bar_falls_without_an_alarm_and_rises_with_one() -> None:
    assert bar_after(Ranked(100, 0)) < FIRST_BAR < bar_after(Ranked(100, 1))


def test_an_alarm_that_lasted_is_given_back() -> None:
    assert bar_after(Ranked(100, 1), Ranked(100, 0, 1)) == pytest.approx(bar_after(Ranked(100, 0), Ranked(100, 0)))


def test_one_alarm_of_a_small_fleet_moves_its_bar_no_further_than_one_would_like() -> None:
    assert bar_after(Ranked(3, 1)) - FIRST_BAR < 0.15 / 0.1


def test_a_bar_stays_within_its_bounds() -> None:
    assert bar_after(*[Ranked(1000, 0)] * 2000) == LEAST_BAR
    assert bar_after(*[Ranked(1000, 50)] * 20) == MOST_BAR


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_the_alarms_got_are_the_alarms_asked_for(rate: float, memory: float) -> None:
    """Scores of days that hang together, on a scale of their own; an alarm lasts until the score is low again."""
    rng, accounts, bars = np.random.default_rng(7), 800, Bars(rate / QUARTER)
    score, is_open, opened = rng.normal(size=accounts), np.zeros(accounts, dtype=bool), []
    for _ in range(20 * QUARTER):
        score = memory * score + np.sqrt(1 - memory**2) * rng.normal(size=accounts)
        new = ~is_open & (1.3 * score >= bars.values.get("silence", FIRST_BAR))
        is_open = (is_open | new) & (score > 0)
        opened.append(int(new.sum()))
        bars.advance({"silence": Ranked(accounts, opened[-1])})
    got = sum(opened[4 * QUARTER :]) / accounts / 16
    assert got == pytest.approx(rate, rel=0.15)


def test_partitions_and_restarts_move_a_bar_alike() -> None:
    day, fleets = 20_000, [Fleet(partitions, 20, RATE) for partitions in (1, 3)]
    for x in range(day, day + 9):
        for fleet in fleets:
            share = [Ranked(60, 3, 1)] if fleet.partitions == 1 else [Ranked(10, 3), Ranked(50, 0, 1), Ranked()]
            for number, told in enumerate(share):
                fleet.take(FleetDay(number, x, x, ranked={"silence": told}))
            list(fleet.merge_through(x))
    again = Fleet(3, 20, RATE)
    again.restore(fleets[1].save())
    assert fleets[0].bars.values == fleets[1].bars.values == again.bars.values != {}
    assert fleets[0].bars.values["silence"] > FIRST_BAR
