"""The expected level of hand-made baselines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evidence.level import (
    BASELINE_DAYS,
    LAG_DAYS,
    Z_90,
    Z_DISPERSION,
    Z_MEAN,
    Z_RISE,
    Level,
    expected_level,
    weekly_drift,
)
from pipeline.terms.days import weekday
from pipeline.terms.fleet_day import MEDIAN_DRIFT

TODAY = 20_000
LAST = TODAY - LAG_DAYS
FIRST = LAST - BASELINE_DAYS + 1
UPPER = 1 + Z_DISPERSION * (2 / 55) ** 0.5


def level_of(values: list[float], first_usage_day: int = FIRST) -> Level:
    """Level as of TODAY: the values end on LAST, the days since have none."""
    column = np.rint(np.array(values + [0.0] * (84 - len(values)))[:, None] * 1000).astype(np.int64)
    return expected_level(column, TODAY, np.array([first_usage_day], dtype=np.int64))


def gamma_quantile(shape: float, z: float) -> float:
    return shape * float(max(0.0, 1 - 1 / (9 * shape) - z / (3 * shape**0.5)) ** 3)


def test_a_constant_baseline_is_its_own_mean() -> None:
    level = level_of([10.0] * BASELINE_DAYS)
    assert level.defined.tolist() == [True]
    assert (level.days[0], level.mean[0]) == (56, 10.0)
    assert level.factors[:, 0] == pytest.approx([1.0] * 7)
    assert level.dispersion[0] == pytest.approx(UPPER)
    assert level.safe[0] == pytest.approx(0.97 * gamma_quantile(560 / UPPER, Z_MEAN) / (560 / UPPER))
    assert level.means(LAST + 1, LAST + 2)[:, 0] == pytest.approx([10.0, 10.0])


def test_weekday_factors_are_shrunk_by_one_mean_day() -> None:
    values = [0.0 if weekday(FIRST + n) >= 5 else 7.0 for n in range(BASELINE_DAYS)]
    level = level_of(values)
    mean = 5.0
    assert level.mean[0] == pytest.approx(mean)
    workday, weekend = (8 * 7.0 + mean) / (9 * mean), mean / (9 * mean)
    assert level.factors[:, 0] == pytest.approx([workday] * 5 + [weekend] * 2)
    monday = LAST + 1 + (-weekday(LAST + 1)) % 7
    assert level.means(monday, monday + 6)[:, 0] == pytest.approx([mean * workday] * 5 + [mean * weekend] * 2)


@pytest.mark.parametrize(
    ("age", "days", "lag"),
    [(13, 6, 6), (14, 7, 7), (28, 14, 14), (55, 28, 27), (56, 28, 28), (84, 56, 28), (200, 56, 28)],
)
def test_a_young_account_is_judged_against_the_first_half_of_its_days(age: int, days: int, lag: int) -> None:
    first = TODAY - age + 1
    values = np.array([[0 if day < first else 5000] for day in range(TODAY - 83, TODAY + 1)], dtype=np.int64)
    level = expected_level(values, TODAY, np.array([first], dtype=np.int64))
    assert (level.days[0], level.lag[0], level.defined[0]) == (days, lag, days >= 7)
    assert level.mean[0] == (5.0 if days >= 7 else 0.0)
    assert level.provisional[0] == (7 <= days < 28)


def test_the_days_that_are_judged_do_not_teach_what_to_expect() -> None:
    first = TODAY - 19
    values = np.array([[0 if day < first else 5000] for day in range(TODAY - 83, TODAY + 1)], dtype=np.int64)
    expected = expected_level(values, TODAY, np.array([first], dtype=np.int64)).mean[0]
    values[-10:] = 0
    assert expected_level(values, TODAY, np.array([first], dtype=np.int64)).mean[0] == expected == 5.0


def test_an_account_of_two_weeks_is_expected_to_do_less_than_its_own_mean() -> None:
    first = TODAY - 13
    values = np.array([[0 if day < first else 5000] for day in range(TODAY - 83, TODAY + 1)], dtype=np.int64)
    level = expected_level(values, TODAY, np.array([first], dtype=np.int64), prior_mean=np.array([10.0]))
    phi = (14 * 4) / (14 + 7) * (1 + Z_90 * (2 / 20) ** 0.5)
    shape, rate = 35 / phi + 0.5, 7 / phi + 0.05
    assert level.dispersion[0] == pytest.approx(phi)
    assert level.safe[0] == pytest.approx(0.97 * gamma_quantile(shape, Z_90) / rate / 5.0)
    assert level.safe[0] < 0.7


def test_the_upper_level_exists_without_any_activity() -> None:
    dispersion = 1 + Z_RISE * (2 / 55) ** 0.5
    level = level_of([0.0] * BASELINE_DAYS)
    assert level.rise_dispersion[0] == pytest.approx(dispersion)
    assert level.upper[0] == pytest.approx(1.03 * dispersion * (1 + Z_90) / 56)


def test_the_dispersion_of_what_comes_in_rare_bursts_is_known_less_well() -> None:
    bursts = level_of([0.0] * 27 + [20.0] + [0.0] * 27 + [20.0])
    total = 40.0
    mean = total / 56
    factors = [([0.0, 40.0][day] + mean) / (9 * mean) for day in (0, 1)]
    squares = 2 * (20 - mean * factors[1]) ** 2 + 6 * (mean * factors[1]) ** 2 + 48 * (mean * factors[0]) ** 2
    expected = mean * 8 * (6 * factors[0] + factors[1])
    estimate = squares / expected
    assert bursts.dispersion[0] == pytest.approx(
        estimate * (1 + Z_DISPERSION * ((2 + 9 * (estimate - 1) / mean) / 55) ** 0.5)
    )
    estimate = (squares + 1) / (total + 1)
    assert bursts.rise_dispersion[0] == pytest.approx(
        estimate * (1 + Z_RISE * ((2 + 9 * (estimate - 1) / (41 / 56)) / 55) ** 0.5)
    )


def test_days_without_any_action_define_no_level() -> None:
    level = level_of([0.0] * BASELINE_DAYS)
    assert (level.defined[0], level.mean[0]) == (False, 0.0)
    assert np.isfinite(level.dispersion).all()


def test_an_account_that_is_not_yet_used_has_no_days() -> None:
    assert level_of([0.0] * BASELINE_DAYS, 2**31 - 1).days.tolist() == [0]


@pytest.mark.parametrize(("factor", "judged"), [(1.01, True), (0.99, False)])
def test_a_level_is_judged_when_four_weeks_say_enough(factor: float, judged: bool) -> None:
    # 28 m ≥ 20 φ with φ at its least.
    assert level_of([round(20 * UPPER / 28 * factor, 3)] * BASELINE_DAYS).judged.tolist() == [judged]


@given(st.lists(st.integers(0, 5000), min_size=84, max_size=84), st.integers(0, 90), st.integers(19_000, 19_006))
def test_accounts_side_by_side_have_the_levels_they_have_alone(values: list[int], begun: int, day: int) -> None:
    columns = np.stack([np.array(values), np.full(84, 1000), np.array(values[::-1])], axis=1).astype(np.int64)
    begin = np.array([day - begun, day - 83, day - 83], dtype=np.int64)
    together = expected_level(columns, day, begin)
    for place in range(3):
        alone = expected_level(columns[:, place : place + 1], day, begin[place : place + 1])
        for name in ("defined", "days", "lag", "mean", "dispersion", "safe", "upper"):
            assert getattr(together, name)[place] == pytest.approx(getattr(alone, name)[0], rel=1e-12)


def test_levels_that_wander_by_the_fleets_drift_scatter_more_and_are_judged_as_before() -> None:
    values = np.full((84, 1), 10_000, dtype=np.int64)
    calm, wandering = (expected_level(values, TODAY, np.array([FIRST]), drift=drift) for drift in (0.0, 0.01))
    assert wandering.dispersion[0] - calm.dispersion[0] == pytest.approx(30 * 0.01 * 10)
    assert wandering.rise_dispersion[0] - calm.rise_dispersion[0] == pytest.approx(30 * 0.01 * 10)
    assert (wandering.noise[0], wandering.safe[0], wandering.upper[0]) == (calm.noise[0], calm.safe[0], calm.upper[0])
    assert wandering.judged[0]


def test_the_drift_of_weeks_is_that_of_their_level_and_not_of_what_scatters_about_it() -> None:
    rng = np.random.default_rng(5)

    def median_drift(wander: float) -> float:
        levels = 30.0 * np.exp(np.cumsum(rng.normal(0.0, wander / 7**0.5, (BASELINE_DAYS, 4000)), axis=0))
        return MEDIAN_DRIFT * float(np.median(weekly_drift(rng.poisson(rng.gamma(levels)).astype(np.float64))))

    assert median_drift(0.0) == pytest.approx(0.0, abs=0.0003)
    assert median_drift(0.1) == pytest.approx(0.01, rel=0.15)
    assert median_drift(0.2) == pytest.approx(0.04, rel=0.15)
