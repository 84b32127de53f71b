"""Shares of seats, of the month's users and of power users, on accounts made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.detectors import Detector
from pipeline.detectors.drops import users_drop
from pipeline.detectors.ratios import power_user_attendance, seat_utilisation_drop, stickiness_drop
from pipeline.evidence import betting, esr
from tests.support.handmade import TODAY, World, last

BEFORE = range(TODAY - 119, TODAY - 20)
CREW = [f"c{n}" for n in range(10)]


def raised(detector: Detector, world: World) -> bool:
    return bool(detector.evaluate(world.view()).raised[0])


def team(now: Sequence[Sequence[str]], before: Sequence[str] = CREW, seats: int = 10) -> World:
    """The users of each of the last 21 days in turn, after months in which everybody came every day."""
    world = World()
    row = world.account("acme", BEFORE.start, seats=seats)
    world.use(row, BEFORE, 100.0, before)
    world.pane("active_users", row, BEFORE, len(before))
    for number, day in enumerate(last(21)):
        users = now[number % len(now)]
        world.use(row, [day], 100.0, users)
        world.pane("active_users", row, [day], len(users))
    return world


def test_evidence_of_a_bet_is_that_of_the_formula() -> None:
    world = team([CREW[:6]])
    finding = seat_utilisation_drop.evaluate(world.view())
    # Ten of ten seats every day: σ is 0, p = min(.95, .97).
    sums = []
    for bet in (0.2, 0.5, 0.9):
        total = 0.0
        for share in [1.0] * 7 + [0.6] * 21:
            total = (1 + total) * (1 + bet * (0.95 - share) / 0.05)
        sums.append(total)
    assert finding.values_at(0) == pytest.approx((0.6, 1.0, np.log(np.mean(sums))))


def test_a_lower_bound_is_further_away_when_days_differ() -> None:
    days = np.array([0.8, 0.4] * 28)[:, None]
    usual = betting.usual(days, np.ones((56, 1), dtype=np.bool_), TODAY)
    assert usual.mean[0] == pytest.approx(0.6)
    # Every weekday has .8 as often as .4, so that its factor is 1 and each day is .2 off.
    assert usual.factors[:, 0] == pytest.approx([1.0] * 7)
    assert usual.safe[0] == pytest.approx(0.97 * (1 - 0.2 * np.sqrt(56 * 0.04) / 56 / 0.6))


def test_a_few_seats_left_empty_are_seen_before_users_are_surely_fewer() -> None:
    world = team([CREW[:5], CREW[:4]], before=CREW[:6], seats=6)
    assert raised(seat_utilisation_drop, world)
    assert not raised(users_drop, world)


def test_seats_that_are_bought_are_no_drop() -> None:
    world = team([CREW], seats=30)
    assert not raised(seat_utilisation_drop, world)


def test_seats_left_empty_are_over_when_most_are_taken_again() -> None:
    world = team([CREW])
    view = world.view()
    finding = seat_utilisation_drop.evaluate(view)
    assert [seat_utilisation_drop.cleared(view, finding, 0, expected) for expected in (1.1, 1.2)] == [True, False]


def test_users_who_take_turns_come_less_often_though_nobody_is_lost() -> None:
    world = team([CREW[::2], CREW[1::2]])
    finding = stickiness_drop.evaluate(world.view())
    assert finding.raised[0]
    assert finding.values_at(0)[:2] == pytest.approx((0.5, 1.0))
    assert stickiness_drop.onset(world.view(), 0)[0] == TODAY - 20


def test_as_many_users_a_day_among_more_a_month_are_less_sticky() -> None:
    crowd = [f"n{n}" for n in range(40)]
    world = team([[*CREW[:5], *crowd[k : k + 5]] for k in range(0, 40, 5)])
    assert raised(stickiness_drop, world)
    assert not raised(users_drop, world)


def test_users_who_all_stop_at_once_are_no_matter_of_stickiness() -> None:
    assert not raised(stickiness_drop, team([[]]))


def test_power_users_who_stay_away_are_seen_when_the_total_falls_too() -> None:
    others = [f"o{n}" for n in range(20)]
    world = team([[*CREW[:1], *others[:2]]], before=[*CREW[:4], *others[:2]])
    finding = power_user_attendance.evaluate(world.view())
    # All six of old are power users; three are left.
    assert finding.raised[0]
    assert finding.values_at(0)[:2] == pytest.approx((0.5, 1.0))


def test_power_users_who_are_replaced_are_no_matter_of_attendance() -> None:
    others = [f"o{n}" for n in range(9)]
    assert not raised(power_user_attendance, team([[CREW[0], *others]]))


def test_users_who_were_all_renamed_are_not_taken_to_stay_away() -> None:
    assert not raised(power_user_attendance, team([[f"new-{name}" for name in CREW]]))


def test_a_calm_share_bets_itself_down() -> None:
    """Bets on a share that is as its bound says multiply to less than one in the mean, whatever its distribution."""
    rng = np.random.default_rng(3)
    shares = rng.choice([0.2, 0.9], p=[0.3, 0.7], size=(28, 20_000))
    log_e = betting.log_e_values(shares, np.full(shares.shape, shares.mean()))
    means = np.exp(log_e).mean(axis=(0, 2))
    assert means == pytest.approx([1.0] * 3, abs=0.01)
    assert (np.exp(esr.last_two(log_e, np.full(20_000, 28))[1]).mean() - 28) / 28 == pytest.approx(0.0, abs=0.1)
