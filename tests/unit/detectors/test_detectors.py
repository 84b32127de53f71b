"""Each detector on accounts made by hand, just inside and just outside its condition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.config import EngineConfig
from pipeline.detectors import COMBINED, Detector, renewal_at_risk, silence
from pipeline.detectors.capacity import seat_saturation
from pipeline.detectors.drops import usage_decline, usage_drop, users_drop, weekly_drop
from pipeline.detectors.growth import sustained_growth, users_growth
from pipeline.detectors.levels import RISE_CAP
from pipeline.detectors.power_users import power_user_decline, single_user_dependence, user_mix_shift
from pipeline.detectors.shares import feature_abandonment
from pipeline.detectors.trends import Trend
from pipeline.detectors.trouble import p1_open, ticket_surge
from pipeline.evidence.level import Z_90, Z_DISPERSION, Z_MEAN, Z_RISE
from pipeline.scorecards.bands import GREEN, GREY, RED, YELLOW
from tests.support.handmade import MONTHS, TODAY, World, last

DAY_MS = 86_400_000
END_MS = (TODAY + 1) * DAY_MS
Result = tuple[bool, float, float, float]


def approx(value: float) -> Any:
    """The value but for rounding."""
    return pytest.approx(value)


def result(detector: Detector, world: World) -> Result:
    """Raised, observed, expected and evidence of the only account."""
    finding = detector.evaluate(world.view())
    return (bool(finding.raised[0]), *finding.values_at(0))


def cleared(detector: Detector, world: World, expected_at_opening: float = 0.0) -> bool:
    view = world.view()
    return detector.cleared(view, detector.evaluate(view), 0, expected_at_opening)


def used(before: float, after: float, days: int) -> World:
    """Months of one level of daily actions, then some days of another."""
    world = World()
    row = world.account("acme")
    world.use(row, range(MONTHS.start, TODAY - days + 1), before)
    if after:
        world.use(row, last(days), after)
    return world


def test_usage_at_a_third_for_two_weeks_is_a_drop() -> None:
    raised, observed, expected, evidence = result(usage_drop, used(100.0, 33.0, 14))
    assert (raised, observed, expected) == (True, 231.0, approx(700.0))
    assert evidence > np.log(2800)


def test_evidence_of_a_drop_is_that_of_the_formula() -> None:
    world = used(10.0, 4.0, 5)
    phi = 1 + Z_DISPERSION * (2 / 55) ** 0.5
    shape, rate = 560 / phi + 0.5, 56 / phi + 0.5 / 10
    safe = 0.97 * shape * (1 - 1 / (9 * shape) - Z_MEAN / (3 * shape**0.5)) ** 3 / rate
    sums = []
    for rho in (0.8, 0.6, 0.3):
        theta, total = -np.log(rho) / phi, 0.0
        for actions in [10.0] * 23 + [4.0] * 5:
            scale = np.log(phi - (phi - 1) * np.exp(-theta)) / (phi - 1)
            total = (1 + total) * np.exp(min(4.0, -theta * actions + safe * scale))
        sums.append(total)
    assert result(usage_drop, world)[3] == pytest.approx(np.log(np.mean(sums)))


@pytest.mark.parametrize(("after", "days"), [(100.0, 14), (95.0, 14), (120.0, 14), (33.0, 1)])
def test_usage_that_is_steady_or_low_for_a_day_is_no_drop(after: float, days: int) -> None:
    assert not result(usage_drop, used(100.0, after, days))[0]


def test_a_week_without_any_usage_is_silence_and_no_drop() -> None:
    world = used(100.0, 0.0, 8)
    assert not result(usage_drop, world)[0]
    assert result(silence, world)[0]


@pytest.mark.parametrize(("share", "expected"), [(0.84, False), (0.86, True)])
def test_a_drop_is_over_near_the_level_of_its_opening(share: float, expected: bool) -> None:
    assert cleared(usage_drop, used(100.0, 100.0 * share, 7), expected_at_opening=700.0) is expected


def test_users_who_come_less_often_are_a_drop_of_users() -> None:
    world = used(100.0, 90.0, 14)
    world.pane("active_users", 1, range(MONTHS.start, TODAY - 13), 20)
    world.pane("active_users", 1, last(14), 8)
    raised, observed, expected, _ = result(users_drop, world)
    assert (raised, observed, expected) == (True, 56.0, approx(140.0))
    assert not result(usage_drop, world)[0]


@pytest.mark.parametrize(
    ("percent", "least", "raised"), [(0.0, 50.0, False), (40.0, 50.0, True), (60.0, 50.0, False), (40.0, 701.0, False)]
)
def test_the_basic_rule_compares_a_week_with_the_week_before(percent: float, least: float, raised: bool) -> None:
    world = World(EngineConfig(basic_drop_pct=percent, basic_min_actions=least))
    row = world.account("acme")
    world.use(row, range(MONTHS.start, TODAY - 6), 100.0)
    world.use(row, last(7), 50.0)
    assert result(weekly_drop, world) == (raised, 350.0, 700.0, approx(50.0))


@pytest.mark.parametrize(("after", "expected"), [(50.0, False), (61.0, True)])
def test_the_basic_rule_is_over_when_the_week_is_back_within_the_percentage(after: float, expected: bool) -> None:
    world = World(EngineConfig(basic_drop_pct=40.0))
    world.use(world.account("acme"), last(7), after)
    assert cleared(weekly_drop, world, expected_at_opening=700.0) is expected


def test_a_gap_of_a_week_is_silence_for_a_daily_account() -> None:
    raised, observed, expected, evidence = result(silence, used(5.0, 0.0, 7))
    away = (1 - 0.9) ** 7
    left = (1 - away) / 0.9 / 287
    assert (raised, observed, expected) == (True, 7.0, 1.0)
    assert evidence == pytest.approx(left / (left + away))


def test_six_days_are_no_silence() -> None:
    assert not result(silence, used(5.0, 0.0, 6))[0]


def test_a_week_is_no_silence_for_an_account_that_comes_once_a_week() -> None:
    world = World()
    world.use(world.account("acme"), range(MONTHS.start, TODAY - 6, 7))
    assert not result(silence, world)[0]


@pytest.mark.parametrize(("gap", "expected"), [(0, True), (6, True), (7, False)])
def test_silence_is_over_when_the_account_is_more_likely_here_than_gone(gap: int, expected: bool) -> None:
    assert cleared(silence, used(5.0, 0.0, gap)) is expected


@pytest.mark.parametrize(("weeks", "gap", "low", "high"), [(50, 14, 0.9, 1.0), (9, 14, 0.5, 0.7), (9, 7, 0.1, 0.3)])
def test_idle_weeks_say_more_the_longer_an_account_has_come_every_week(
    weeks: int, gap: int, low: float, high: float
) -> None:
    world = World()
    world.use(world.account("acme"), range(TODAY - gap - 7 * (weeks - 1), TODAY - gap + 1, 7))
    assert low < result(silence, world)[3] < high


def test_days_in_clumps_are_expected_to_come_in_clumps() -> None:
    clumped, random = World(), World()
    clumped.use(clumped.account("acme"), [day for day in range(TODAY - 109, TODAY - 9) if (TODAY - day) // 10 % 2])
    random.use(random.account("acme"), [day for day in range(TODAY - 109, TODAY - 9) if day * 7919 % 13 < 8])
    assert result(silence, clumped)[3] < 0.1 < 0.4 < result(silence, random)[3]


@pytest.mark.parametrize(("bar", "raised"), [(0.0, True), (2.0, True), (9.0, True), (12.0, False)])
def test_how_sure_silence_must_be_is_the_fleets_bar(bar: float, raised: bool) -> None:
    world = used(5.0, 0.0, 7)
    world.state.fleet.bars.values["silence"] = bar
    assert result(silence, world)[0] is raised


POWER, OTHERS = ["p1", "p2", "p3", "p4"], ["o0", "o1", "o2"]


def handover(remaining: int, newcomers: int, helpers: int = 0, history: int = 120) -> World:
    """Four power users of whom some stay, and others who came once a week; since two weeks some of those come daily."""
    world = World()
    row = world.account("acme", TODAY - history)
    for day in range(TODAY - history + 1, TODAY + 1):
        lately = day > TODAY - 14
        weekly = [other for number, other in enumerate(OTHERS) if number == day % 7 and number >= helpers * lately]
        strangers = [f"n{number}" for number in range(newcomers)] + OTHERS[:helpers]
        present = POWER[:remaining] + strangers if lately else POWER
        world.use(row, [day], 10.0, [*present, *weekly])
    return world


def tried_before(world: World, *newcomers: str) -> World:
    """The same, where the newcomers are nobody's new ids: each was there once, months ago."""
    world.use(1, [TODAY - 105], 0.0, newcomers)
    return world


def test_power_users_who_leave_while_others_do_more_are_a_decline() -> None:
    raised, observed, expected, _ = result(power_user_decline, handover(1, 0, helpers=3))
    assert (raised, observed) == (True, 0.25)
    assert expected == pytest.approx(28 / 31)


def test_power_users_in_whose_place_others_came_are_no_decline() -> None:
    assert not result(power_user_decline, handover(0, 4))[0]
    assert not result(power_user_decline, handover(1, 3))[0]


def test_power_users_of_whom_none_is_left_are_a_decline_although_others_who_are_no_newcomers_make_up_for_them() -> None:
    newcomers = [f"n{number}" for number in range(4)]
    assert result(power_user_decline, tried_before(handover(0, 4), *newcomers))[:2] == (True, 0.0)


@pytest.mark.parametrize(("history", "raised"), [(36, False), (37, True), (42, True), (43, True), (60, True)])
def test_power_users_of_three_weeks_are_known(history: int, raised: bool) -> None:
    assert result(power_user_decline, handover(1, 0, helpers=3, history=history))[0] is raised


@pytest.mark.parametrize(
    ("remaining", "newcomers", "helpers"),
    [
        pytest.param(4, 0, 0, id="nothing changes"),
        pytest.param(4, 12, 0, id="only newcomers"),
        pytest.param(1, 0, 0, id="all usage falls"),
        pytest.param(4, 0, 1, id="a share that is hardly less"),
    ],
)
def test_power_users_do_not_decline_when(remaining: int, newcomers: int, helpers: int) -> None:
    assert not result(power_user_decline, handover(remaining, newcomers, helpers))[0]


def test_power_users_who_do_less_while_many_join_are_a_shift_and_no_decline() -> None:
    world = tried_before(handover(1, 6, helpers=3), *(f"n{number}" for number in range(6)))
    assert result(user_mix_shift, world)[0]
    assert not result(power_user_decline, world)[0]


@pytest.mark.parametrize("stages", [1, 3])
@pytest.mark.parametrize("days", [1, 2, 3, 4, 6, 7, 10, 20])
def test_users_who_are_renamed_are_no_decline_neither_at_once_nor_in_stages(days: int, stages: int) -> None:
    world = World()
    row = world.account("acme", TODAY - 120)
    for day in range(TODAY - 119, TODAY + 1):
        present = [*POWER, *(other for number, other in enumerate(OTHERS) if number == day % 7)]
        gone = (0 if day <= TODAY - days else 1 + (day - TODAY + days - 1) // 3) / stages
        renamed = {name for names in (POWER, OTHERS) for name in names[: round(gone * len(names))]}
        world.use(row, [day], 10.0, [f"new-{name}" if name in renamed else name for name in present])
    assert not result(power_user_decline, world)[0]
    assert not result(user_mix_shift, world)[0]


def test_evidence_of_a_share_is_that_of_the_formula() -> None:
    _, _, share, evidence = result(power_user_decline, handover(1, 0, helpers=3))
    assert share == pytest.approx(28 / 31)
    safe = share - 0.5 * np.sqrt(1.25 * share * (1 - share) / (12 * 31))
    sums = []
    for rho in (0.6, 0.3):
        total = 0.0
        for day in range(TODAY - 20, TODAY + 1):
            part, whole = (1, 4) if day > TODAY - 14 else (4, 4 + (day % 7 < 3))
            others = np.log((1 - rho * safe) / (1 - safe))
            total = (1 + total) * np.exp((part * np.log(rho) + (whole - part) * others) / 1.25)
        sums.append(total)
    assert evidence == pytest.approx(np.log(np.mean(sums)))


@pytest.mark.parametrize("days_together", [1, 3])
def test_a_share_of_people_who_come_together_says_less(days_together: int) -> None:
    def evidence(together: bool) -> float:
        world = World()
        row = world.account("acme", TODAY - 120)
        world.use(row, [TODAY - 105], 10.0, [f"o{number}" for number in range(40)])
        for day in range(TODAY - 119, TODAY + 1):
            others = [f"o{4 * (day % 10) + number}" for number in range(4)]
            turn = day // days_together % 2
            if day > TODAY - 14:
                present = others
            elif together:
                present = others if turn else POWER
            else:
                present = POWER[2 * turn : 2 * turn + 2] + others[:2]
            world.use(row, [day], 10.0, present)
        return float(world.view().power.evidence[0])

    assert evidence(together=True) < 0.8 * evidence(together=False)


def features(used_lately: list[str], history: int = 120) -> World:
    world = World()
    row = world.account("acme", TODAY - history)
    world.use(row, range(TODAY - history + 1, TODAY + 1), 10.0)
    world.feature(row, range(TODAY - history + 1, TODAY - 13), "home", "export", "share")
    world.feature(row, last(14), *used_lately)
    return world


def test_a_feature_that_nobody_uses_any_more_is_abandoned_while_the_others_are_used() -> None:
    raised, observed, expected, evidence = result(feature_abandonment, features(["home", "share", "api"]))
    assert (raised, observed, expected) == (True, 1.0, 3.0)
    assert evidence > np.log(2800)


@pytest.mark.parametrize(("history", "raised"), [(36, False), (37, True), (60, True)])
def test_features_in_use_for_three_weeks_are_known(history: int, raised: bool) -> None:
    assert result(feature_abandonment, features(["home", "share", "api"], history))[0] is raised


@pytest.mark.parametrize("used", [["home", "export", "share"], []], ids=["all are used", "nothing is used"])
def test_no_feature_is_abandoned_when(used: list[str]) -> None:
    found = result(feature_abandonment, features(used))
    assert (found[0], found[1]) == (False, 0.0)
    assert cleared(feature_abandonment, features(used))


@pytest.mark.parametrize(
    ("before", "days", "seats", "raised"),
    [
        (["only", "ann", "bob"], 28, 3, True),
        (["only", "ann", "bob"], 28, 2, False),
        (["only", "ann", "bob"], 15, 3, False),
        (["only"], 28, 3, False),
    ],
    ids=["it became so", "few pay", "hardly used", "it always was"],
)
def test_an_account_comes_to_depend_on_one_user(before: list[str], days: int, seats: int, raised: bool) -> None:
    world = World()
    row = world.account("acme", seats=seats)
    world.use(row, last(56, until=TODAY - 28), 1.0, before)
    world.use(row, last(days), 1.0, ["only"])
    assert result(single_user_dependence, world) == (raised, 1.0, 0.5, 1.0)


def test_several_dimensions_together_weigh_the_mean_of_their_e_detectors() -> None:
    world = used(100.0, 60.0, 14)
    world.pane("active_users", 1, range(MONTHS.start, TODAY - 13), 20)
    world.pane("active_users", 1, last(14), 12)
    parts = [detector.evaluate(world.view()).surest[0] for detector in (usage_drop, users_drop)]
    assert parts[0] < result(usage_drop, world)[3]
    raised, observed, _, evidence = result(COMBINED, world)
    assert (raised, observed) == (True, 2.0)
    assert evidence == pytest.approx(np.log((5 * np.exp(parts[0]) + 4 * np.exp(parts[1])) / 38))


def test_one_dimension_alone_is_not_several() -> None:
    assert not result(COMBINED, used(100.0, 33.0, 14))[0]


def test_the_onset_of_a_drop_is_the_day_it_began() -> None:
    estimate, low, high = usage_drop.onset(used(100.0, 40.0, 9).view(), 0)
    assert (estimate, low, high) == (TODAY - 8, TODAY - 8, TODAY - 8)


def test_the_onset_of_a_drop_that_is_hard_to_see_has_a_range() -> None:
    estimate, low, high = usage_drop.onset(used(4.0, 2.0, 14).view(), 0)
    assert low < estimate <= TODAY - 12
    assert low <= TODAY - 13 <= high


def test_a_decline_is_over_when_the_share_is_back() -> None:
    assert cleared(power_user_decline, handover(4, 0), expected_at_opening=0.9)
    assert not cleared(power_user_decline, handover(1, 0, helpers=3), expected_at_opening=0.9)


def tickets(today: int, weekly: int = 0, days: int = 1) -> World:
    """Tickets of each of the last days, and of one day a week before."""
    world = World()
    row = world.account("acme", TODAY - 90)
    world.pane("tickets_opened", row, range(TODAY - 62, TODAY - 6, 7), weekly)
    world.pane("tickets_opened", row, last(days), today)
    return world


def test_evidence_of_a_surge_is_that_of_the_formula() -> None:
    phi = 1 + Z_RISE * (2 / 55) ** 0.5
    upper = 1.03 * (phi + Z_90 * phi) / 56
    sums = []
    for rho in (1.5, 2.0, 4.0, 16.0):
        q, total = (1 + rho * (phi - 1)) / phi, 0.0
        for tickets_of_day in [0] * 3 + [3] * 4:
            log_e = tickets_of_day * np.log(rho / q) - upper * np.log(q) / (phi - 1)
            total = (1 + total) * np.exp(min(RISE_CAP, log_e))
        sums.append(total)
    raised, observed, expected, evidence = result(ticket_surge, tickets(3, days=4))
    assert (raised, observed, expected) == (True, 12.0, 0.0)
    assert evidence == pytest.approx(np.log(np.mean(sums)))


@pytest.mark.parametrize(
    ("today", "weekly", "days", "raised"), [(3, 0, 1, False), (8, 4, 1, False), (20, 4, 3, True), (200, 4, 1, False)]
)
def test_a_surge_is_far_above_the_own_rate_on_more_than_one_day(
    today: int, weekly: int, days: int, raised: bool
) -> None:
    assert result(ticket_surge, tickets(today, weekly, days))[0] is raised


def test_bursts_in_different_weeks_are_no_surge() -> None:
    world = tickets(20)
    world.pane("tickets_opened", 1, [TODAY - 8, TODAY - 16, TODAY - 24], 20)
    assert not result(ticket_surge, world)[0]


def test_two_days_without_anybody_are_no_drop_whatever_the_volume() -> None:
    assert not result(usage_drop, used(1000.0, 0.0, 2))[0]
    assert not result(usage_drop, used(1000.0, 1.0, 2))[0]
    assert result(usage_drop, used(1000.0, 1.0, 5))[0]


@pytest.mark.parametrize(("today", "expected"), [(7, True), (8, False)])
def test_a_surge_is_over_near_the_rate_of_its_opening(today: int, expected: bool) -> None:
    assert cleared(ticket_surge, tickets(today), expected_at_opening=4.0) is expected


@pytest.mark.parametrize(("age_ms", "raised"), [(DAY_MS - 1, False), (DAY_MS, True), (2 * DAY_MS, True)])
def test_a_p1_ticket_is_open_too_long_after_a_day(age_ms: int, raised: bool) -> None:
    world = World()
    world.account("acme", open_p1=1, oldest_p1_ms=END_MS - age_ms)
    expected = (True, age_ms / 3_600_000, 24.0, age_ms / DAY_MS) if raised else (False, 0.0, 24.0, 0.0)
    assert result(p1_open, world) == expected
    assert cleared(p1_open, world) is not raised


@pytest.mark.parametrize(
    ("days", "band", "raised"),
    [(-1, RED, False), (0, RED, True), (90, YELLOW, True), (91, YELLOW, False), (30, GREEN, False), (30, GREY, True)],
)
def test_a_renewal_is_at_risk_within_90_days_of_an_account_that_is_not_green(
    days: int, band: int, raised: bool
) -> None:
    world = World()
    row = world.account("acme", renewal_at_ms=(TODAY + days) * DAY_MS + 1, score=35.0)
    world.accounts.band[row] = band
    found = result(renewal_at_risk, world)
    assert found == (raised, float(days), 90.0, 50.0 if band == GREY else 65.0)
    assert cleared(renewal_at_risk, world) is not raised


def test_an_account_without_a_renewal_date_is_not_at_risk() -> None:
    world = World()
    world.account("acme")
    assert not result(renewal_at_risk, world)[0]


def seated(users: int, seats: int, first: int = MONTHS.start, band: int = GREEN, known: int = 10) -> World:
    world = World()
    row = world.account("acme", seats=seats)
    world.use(row, [first])
    world.use(row, [TODAY - known, TODAY], 1.0, [f"u{n}" for n in range(users)])
    world.accounts.band[row] = band
    return world


def test_who_came_this_week_takes_no_seat_yet() -> None:
    assert [result(seat_saturation, seated(9, 10, known=days))[0] for days in (6, 7, 83, 84)] == [
        False,
        True,
        True,
        False,
    ]


def test_nine_of_ten_seats_are_saturated() -> None:
    assert result(seat_saturation, seated(9, 10)) == (True, 9.0, 10.0, 0.9)


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(seated(8, 10), id="seats are left"),
        pytest.param(seated(9, 0), id="nobody knows the seats"),
        pytest.param(seated(9, 10, first=TODAY - 26), id="usage is young"),
        pytest.param(seated(9, 10, band=RED), id="health is red"),
    ],
)
def test_seats_are_not_saturated_when(world: World) -> None:
    assert not result(seat_saturation, world)[0]


@pytest.mark.parametrize(("users", "expected"), [(7, True), (8, False)])
def test_saturation_is_over_below_80_percent(users: int, expected: bool) -> None:
    assert cleared(seat_saturation, seated(users, 10)) is expected


def test_four_weeks_at_a_third_more_are_growth() -> None:
    raised, observed, expected, evidence = result(sustained_growth, used(100.0, 133.0, 28))
    assert (raised, observed, expected) == (True, 3724.0, 2800.0)
    assert evidence > np.log(2800)


def growth_with_a_dip() -> World:
    world = used(100.0, 200.0, 28)
    world.pane("actions", 1, last(7, until=TODAY - 7), 99_000)
    return world


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(used(100.0, 129.0, 28), id="less than 30 % more"),
        pytest.param(growth_with_a_dip(), id="one week is below the weeks before"),
        pytest.param(used(1.0, 1.4, 28), id="too few actions to tell"),
    ],
)
def test_usage_does_not_grow_when(world: World) -> None:
    assert not result(sustained_growth, world)[0]


def test_growth_waits_for_health_that_is_not_red() -> None:
    world = used(100.0, 133.0, 28)
    world.accounts.band[1] = RED
    assert not result(sustained_growth, world)[0]
    gone_by = world.view()
    gone_by.gone_by = True
    assert sustained_growth.evaluate(gone_by).raised.tolist() == [True]


def test_there_is_no_growth_from_nothing() -> None:
    world = used(100.0, 100.0, 28)
    world.pane("active_users", 1, [TODAY], 20)
    assert not result(users_growth, world)[0]


@pytest.mark.parametrize(("after", "expected"), [(109.0, True), (111.0, False)])
def test_growth_is_over_below_a_tenth(after: float, expected: bool) -> None:
    assert cleared(sustained_growth, used(100.0, after, 28), expected_at_opening=2800.0) is expected


@pytest.mark.parametrize(("after", "raised"), [(100.0, False), (76.0, False), (70.0, True)])
def test_four_weeks_a_quarter_below_the_level_are_a_decline(after: float, raised: bool) -> None:
    found = result(usage_decline, used(100.0, after, 28))
    assert found[:3] == (raised, 28 * after, approx(2800.0))


@pytest.mark.parametrize("detector", [usage_decline, sustained_growth], ids=lambda each: each.KIND.name)
def test_how_clear_a_change_must_be_is_the_fleets_bar(detector: Trend) -> None:
    world = used(100.0, 70.0 if detector is usage_decline else 140.0, 28)
    deviations = result(detector, world)[3]
    for bar, raised in ((deviations - 0.01, True), (deviations + 0.01, False)):
        world.state.fleet.bars.values[detector.KIND.name] = bar
        assert result(detector, world)[0] is raised


def test_a_decline_counts_the_people_too() -> None:
    """The same actions by a third of the people are a clearer fall."""
    alone, with_people = used(5.0, 3.0, 28), used(5.0, 3.0, 28)
    with_people.pane("active_users", 1, range(MONTHS.start, TODAY - 27), 9)
    with_people.pane("active_users", 1, last(28), 3)
    assert result(usage_decline, with_people)[3] > result(usage_decline, alone)[3]
