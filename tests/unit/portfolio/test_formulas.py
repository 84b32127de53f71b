"""Every formula on the examples by which it is known, and on inputs for which there is no answer."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.portfolio.customers import (
    annual_churn,
    contacts_per_account,
    logo_churn,
    referral_ratio,
    retention,
    trial_to_paid,
)
from pipeline.portfolio.engagement import l28_histogram, per_user, stickiness
from pipeline.portfolio.revenue import (
    arpa,
    expansion_mrr,
    gross_mrr_churn,
    gross_revenue_retention,
    growth_slope,
    lifetime_value,
    mrr_of_price,
    net_mrr_churn,
    net_revenue_retention,
)
from pipeline.portfolio.surveys import (
    ces_easy,
    ces_mean,
    change,
    csat_share,
    mean_score,
    nps,
    rescaled,
    share_above,
    wilson,
)
from pipeline.portfolio.value import (
    green_revenue_share,
    green_share,
    migration,
    nine_box,
    tier_bounds,
    value_tier,
)

answers = st.lists(st.integers(0, 10).map(float), min_size=1, max_size=300)


def test_15_lost_of_650_are_a_churn_of_2_3_percent() -> None:
    assert logo_churn(15, 650) == pytest.approx(0.023, abs=0.0005)
    assert retention(15, 650) == pytest.approx(0.977, abs=0.0005)


def test_half_a_percent_a_month_is_5_8_percent_a_year() -> None:
    assert annual_churn(0.005) == pytest.approx(0.058, abs=0.0005)
    assert annual_churn(1.0) == 1.0
    assert annual_churn(0.0) == 0.0
    assert annual_churn(0.05, 365 / 30) == pytest.approx(1 - 0.95 ** (365 / 30))


def test_10_churned_and_10_contracted_of_100_are_20_percent() -> None:
    assert gross_mrr_churn(10, 10, 100) == pytest.approx(0.20)
    assert gross_revenue_retention(10, 10, 100) == pytest.approx(0.80)


def test_a_loss_of_20_and_an_expansion_of_10_of_100_are_10_percent_net() -> None:
    assert net_mrr_churn(20, 0, 10, 0, 100) == pytest.approx(0.10)
    assert net_revenue_retention(20, 0, 10, 0, 100) == pytest.approx(0.90)


def test_net_churn_is_negative_when_customers_grow_more_than_they_leave() -> None:
    assert net_mrr_churn(5, 5, 15, 5, 100) == pytest.approx(-0.10)
    assert net_revenue_retention(5, 5, 15, 5, 100) == pytest.approx(1.10)


def test_expansion_is_a_share_of_the_revenue_at_the_start() -> None:
    assert expansion_mrr(30, 1200) == pytest.approx(0.025)


def test_prices_are_compared_per_30_days() -> None:
    assert mrr_of_price(365_00, 365) == pytest.approx(30_00)
    assert mrr_of_price(31_00, 31) == mrr_of_price(28_00, 28) == pytest.approx(30_00)


def test_a_client_of_500_and_one_of_50_pay_275_on_average() -> None:
    assert arpa(550, 2) == 275


def test_lifetime_value_is_margin_until_the_average_customer_leaves() -> None:
    assert lifetime_value(10_000, 0.8, 0.02) == pytest.approx(400_000)


def test_growth_is_the_slope_as_a_share_of_the_mean() -> None:
    assert growth_slope([10, 20, 30]) == pytest.approx(0.5)
    assert growth_slope([7, 7, 7, 7]) == 0.0
    assert growth_slope([30, 20, 10]) == pytest.approx(-0.5)


def test_detractors_are_0_to_6_passives_7_and_8_promoters_9_and_10() -> None:
    found = nps([0, 6, 7, 8, 9, 10])
    assert (found.value, found.n) == (0.0, 6)
    assert nps([10, 9, 9, 7, 6]).value == pytest.approx(40.0)
    assert nps([0]).value == -100
    assert nps([7, 8]).value == 0


@given(answers)
def test_the_interval_of_nps_holds_the_score_and_is_within_bounds(scores: list[float]) -> None:
    found = nps(scores)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert -100 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 100
    assert -100 <= found.value <= 100


def test_the_interval_of_nps_is_wide_for_few_answers_even_when_all_agree() -> None:
    few, many = nps([10.0] * 3), nps([10.0] * 300)
    assert few.low is not None
    assert many.low is not None
    assert few.low < 21 < 97 < many.low


def test_the_interval_of_nps_is_near_the_normal_one_for_many_answers() -> None:
    found = nps([10.0] * 500 + [8.0] * 200 + [3.0] * 300)
    spread = 1.96 * math.sqrt((0.5 + 0.3 - 0.2**2) / 1000) * 100
    assert found.value == pytest.approx(20)
    assert found.low == pytest.approx(20 - spread, abs=0.3)
    assert found.high == pytest.approx(20 + spread, abs=0.3)


def test_a_fall_is_sure_when_there_are_enough_answers_on_both_sides() -> None:
    few, many = change(nps([3, 9]), nps([9, 9, 8])), change(nps([3] * 30 + [9] * 10), nps([9] * 40))
    assert few.value == pytest.approx(-200 / 3)
    assert (few.n, many.value) == (2, -150)
    assert few.low is not None
    assert few.high is not None
    assert few.low < -100 < 0 < few.high
    assert many.high is not None
    assert many.high < -100
    assert change(csat_share([5.0] * 9), csat_share([5.0] * 90)).value == 0


def test_satisfied_are_4_and_5_of_5() -> None:
    found = csat_share([5, 4, 3, 2, 1])
    assert (found.value, found.n) == (0.4, 5)
    assert mean_score([5, 4, 3, 2, 1]).value == pytest.approx(3.0)


def test_surveys_above_three_and_a_half() -> None:
    assert share_above([3.5, 3.6, 5, 1]).value == pytest.approx(0.5)


def test_effort_is_a_mean_of_1_to_7_and_a_share_of_easy() -> None:
    assert ces_mean([7, 5, 3]).value == pytest.approx(5.0)
    assert ces_easy([7, 5, 4, 1]).value == pytest.approx(0.5)


def test_wilson_interval_of_a_known_case() -> None:
    found = wilson(10, 100)
    assert found.low == pytest.approx(0.0552, abs=1e-4)
    assert found.high == pytest.approx(0.1744, abs=1e-4)
    assert wilson(0, 10).low == 0.0
    assert wilson(10, 10).high == 1.0


@pytest.mark.parametrize(
    ("score", "scale", "to", "expected"),
    [(10, 10, 5, 5), (0, 10, 5, 1), (3, 5, 7, 4), (50, 100, 10, 5), (2.5, 4, 5, 3), (9, 4, 5, None)],
)
def test_answers_on_other_scales_are_moved(score: float, scale: float, to: float, expected: float | None) -> None:
    assert rescaled(score, scale, to) == expected


def test_grey_accounts_are_not_counted_as_scored() -> None:
    found = green_share({"green": 6, "yellow": 2, "red": 2, "grey": 90})
    assert (found.value, found.n) == (0.6, 10)
    assert green_revenue_share({"green": 50.0, "red": 150.0, "grey": 9000.0}) == pytest.approx(0.25)


def test_stickiness_is_the_mean_day_over_the_month() -> None:
    assert stickiness([2, 1, 0, 1], 4) == pytest.approx(0.25)
    assert stickiness([3, 3], 3) == 1.0


def test_the_histogram_counts_users_by_active_days() -> None:
    histogram = l28_histogram([1, 1, 28, 40, 0])
    assert len(histogram) == 28
    assert (histogram[0], histogram[27], sum(histogram)) == (2, 2, 4)


def test_volume_is_per_user_and_contacts_are_per_account() -> None:
    assert per_user(120.0, 8) == 15
    assert contacts_per_account(6, 4) == 1.5


def test_trials_are_judged_when_the_last_of_the_cohort_has_ended() -> None:
    assert trial_to_paid(5, 20, 20) == pytest.approx(0.25)
    assert trial_to_paid(5, 20, 19) is None


def test_referrals_are_set_against_lost_customers() -> None:
    assert referral_ratio(6, 4) == 1.5


def test_tiers_are_thirds_of_the_paying_accounts() -> None:
    bounds = tier_bounds([0, 10, 20, 30, 40, 50, 60])
    assert bounds is not None
    assert bounds == (30, 50)
    assert [value_tier(revenue, bounds) for revenue in (0, 10, 29, 30, 50, 90)] == [
        "none", "low", "low", "mid", "high", "high"
    ]  # fmt: skip


def test_migration_counts_every_move_between_tiers() -> None:
    matrix = migration(["low", "low", "high", "none", "none"], ["mid", "low", "none", "low", "none"])
    assert matrix["low"] == {"low": 1, "mid": 1, "high": 0, "none": 0}
    assert matrix["high"]["none"] == 1
    assert matrix["none"] == {"low": 1, "mid": 0, "high": 0}


def test_an_account_has_one_of_nine_cells_or_none() -> None:
    cells = {nine_box(tier, band) for tier in ("low", "mid", "high") for band in ("red", "yellow", "green")}
    assert len(cells) == 9
    assert nine_box("low", "grey") is None
    assert nine_box("none", "green") is None


def test_without_anything_to_divide_by_there_is_no_answer() -> None:
    assert logo_churn(0, 0) is None
    assert retention(0, 0) is None
    assert annual_churn(None) is None
    assert annual_churn(1.5) is None
    assert gross_mrr_churn(1, 1, 0) is None
    assert gross_revenue_retention(1, 1, 0) is None
    assert net_mrr_churn(1, 1, 0, 0, 0) is None
    assert net_revenue_retention(1, 1, 0, 0, 0) is None
    assert expansion_mrr(1, 0) is None
    assert mrr_of_price(100, 0) is None
    assert arpa(100, 0) is None
    assert lifetime_value(100, 0.8, 0.0) is None
    assert lifetime_value(100, 0.8, None) is None
    assert lifetime_value(None, 0.8, 0.1) is None
    assert growth_slope([]) is None
    assert growth_slope([5]) is None
    assert growth_slope([0, 0]) is None
    for found in (nps([]), csat_share([]), mean_score([]), share_above([]), ces_mean([]), ces_easy([])):
        assert (found.value, found.n, found.low, found.high) == (None, 0, None, None)
    assert mean_score([4]).low is None
    assert change(nps([9]), nps([])) == change(mean_score([]), mean_score([4, 5])) == nps([])
    assert green_share({"grey": 3}).value is None
    assert green_revenue_share({}) is None
    assert stickiness([], 3) is None
    assert stickiness([0, 0], 0) is None
    assert per_user(1.0, 0) is None
    assert contacts_per_account(1, 0) is None
    assert trial_to_paid(0, 0, 0) is None
    assert referral_ratio(3, 0) is None
    assert tier_bounds([0.0]) is None
