"""What must be shown of the detectors, on fewer accounts than `make evaluate` draws."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.terms.days import weekday
from tests.evaluation import others, people
from tests.evaluation.budget import upper_bound
from tests.evaluation.crowd import Crowd
from tests.evaluation.draws import FIRST_DAY, counts, negative_binomial
from tests.evaluation.watch import Watch, close


def test_counts_have_the_mean_and_the_dispersion_that_were_asked_for() -> None:
    rng = np.random.default_rng(3)
    drawn = negative_binomial(np.full(200_000, 10.0), 5.0, rng)
    assert drawn.mean() == pytest.approx(10.0, rel=0.01)
    assert drawn.var() / drawn.mean() == pytest.approx(5.0, rel=0.03)


def test_user_days_have_the_dispersion_that_was_asked_for() -> None:
    crowd = people.People(20_000, 70, 1.5, np.random.default_rng(3))
    one = np.ones(crowd.accounts)
    power = crowd.active(FIRST_DAY, one, one)[:, : crowd.power].sum(axis=1)
    usual = crowd.week[weekday(FIRST_DAY)] * people.POWER_DAYS / 7 * crowd.power
    assert ((power - usual) ** 2).mean() / usual.mean() == pytest.approx(1.5, rel=0.1)


def test_the_upper_bound_of_no_event_is_three() -> None:
    assert upper_bound(0, 1.0) == pytest.approx(2.996, abs=0.01)
    assert upper_bound(260, 2000.0) == pytest.approx(0.1444, abs=0.0005)


def test_a_condition_that_comes_back_within_five_days_is_one_alert() -> None:
    raised = np.zeros((20, 1), dtype=np.bool_)
    raised[[3, 4, 8, 15]] = True
    assert np.flatnonzero(others.openings(raised)[:, 0]).tolist() == [3, 15]


def test_a_lower_threshold_counts_at_least_the_alerts_of_a_higher_one() -> None:
    drawn = counts(np.full(300, 10.0), 2.0, 140, np.random.default_rng(5))
    drawn[120:] //= 3
    crowd = Crowd(300, FIRST_DAY)
    watches = [Watch("usage_drop", arl) for arl in (300.0, 2800.0, 50_000.0)]
    for today in drawn:
        crowd.live(today)
        close(crowd, watches)
        crowd.pass_midnight()
    still_open = [len(watch.open) for watch in watches]
    assert still_open[0] >= still_open[1] >= still_open[2]
    assert still_open[1] > 200
    days = [np.median(watch.first_since(np.full(300, FIRST_DAY + 120))) for watch in watches]
    assert days[0] <= days[1]


def test_a_watch_at_a_higher_threshold_sees_what_it_would_see_alone() -> None:
    drawn = counts(np.full(400, 3.0), 2.0, 150, np.random.default_rng(6))
    drawn[115:125] //= 2

    def openings(arls: tuple[float, ...]) -> list[tuple[int, int]]:
        crowd = Crowd(400, FIRST_DAY)
        watches = [Watch("usage_drop", arl) for arl in arls]
        for today in drawn:
            crowd.live(today)
            close(crowd, watches)
            crowd.pass_midnight()
        return watches[-1].openings

    alone = openings((900.0,))
    assert alone
    assert openings((100.0, 900.0)) == alone
