"""The expected level of hand-made baselines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.level import BASELINE_DAYS, Level, expected_level, weekday

LAST = 20_000
FIRST = LAST - BASELINE_DAYS + 1
UPPER = 1 + 1.2816 * (2 / 55) ** 0.5


def level_of(values: list[float], first_usage_day: int = FIRST) -> Level:
    column = np.rint(np.array(values)[:, None] * 1000).astype(np.int64)
    return expected_level(column, LAST, np.array([first_usage_day], dtype=np.int64))


def test_a_constant_baseline_is_its_own_mean() -> None:
    level = level_of([10.0] * BASELINE_DAYS)
    assert level.defined.tolist() == [True]
    assert (level.days[0], level.mean[0]) == (56, 10.0)
    assert level.factors[:, 0] == pytest.approx([1.0] * 7)
    assert level.dispersion[0] == pytest.approx(UPPER)
    assert level.safe[0] == pytest.approx(0.97 * (1 - 1.2816 * (UPPER / 560) ** 0.5))
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


@pytest.mark.parametrize(("days", "defined"), [(13, False), (14, True), (27, True), (28, True)])
def test_a_level_needs_two_weeks_and_weekdays_need_four(days: int, defined: bool) -> None:
    values = [0.0] * (BASELINE_DAYS - days) + [1.0 + (n % 7 == 0) for n in range(days)]
    level = level_of(values, LAST - days + 1)
    assert (level.defined[0], level.days[0]) == (defined, days)
    assert bool((level.factors[:, 0] == 1.0).all()) == (days < 28)


def test_days_without_any_action_define_no_level() -> None:
    level = level_of([0.0] * BASELINE_DAYS)
    assert (level.defined[0], level.mean[0]) == (False, 0.0)
    assert np.isfinite(level.dispersion).all()


def test_an_account_that_is_not_yet_used_has_no_days() -> None:
    assert level_of([0.0] * BASELINE_DAYS, 2**31 - 1).days.tolist() == [0]


def test_dispersion_is_bounded() -> None:
    assert level_of([100_000.0] + [0.0] * 55).dispersion.tolist() == [100.0]


@pytest.mark.parametrize(("actions", "judged"), [(1.0, True), (0.88, False), (0.9, True)])
def test_a_level_is_judged_when_four_weeks_say_enough(actions: float, judged: bool) -> None:
    # 28 m ≥ 20 φ with φ at its least, 1.244: from m = 0.889 on.
    assert level_of([actions] * BASELINE_DAYS).judged.tolist() == [judged]


@given(st.lists(st.integers(0, 5000), min_size=56, max_size=56), st.integers(0, 60), st.integers(19_000, 19_006))
def test_accounts_side_by_side_have_the_levels_they_have_alone(values: list[int], begun: int, last_day: int) -> None:
    columns = np.stack([np.array(values), np.full(56, 1000), np.array(values[::-1])], axis=1).astype(np.int64)
    begin = np.array([last_day - begun, last_day - 55, last_day - 55], dtype=np.int64)
    together = expected_level(columns, last_day, begin)
    for place in range(3):
        alone = expected_level(columns[:, place : place + 1], last_day, begin[place : place + 1])
        for name in ("defined", "days", "mean", "dispersion", "safe"):
            assert getattr(together, name)[place] == pytest.approx(getattr(alone, name)[0], rel=1e-12)
