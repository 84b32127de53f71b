"""An alert says whether it is this account alone: its week beside that of its segment."""

from __future__ import annotations

import pytest

from pipeline.explain.benchmark import benchmark
from pipeline.fleet.merged import Fleet
from pipeline.terms.fleet_day import BUCKETS, USUAL, FleetDay, Tally
from tests.support.handmade import MONTHS, TODAY, World, last

MIN = 20


def weeks(**accounts: int) -> tuple[int, ...]:
    """Accounts by percent of their usual week, named `at_…`."""
    counts = [0] * BUCKETS
    for name, count in accounts.items():
        counts[int(name.removeprefix("at_")) * USUAL // 100] = count
    return tuple(counts)


def fleet_of(*scopes: tuple[str | None, tuple[int, ...]], day: int = TODAY - 1, dip: int = USUAL) -> Fleet:
    fleet = Fleet(1, MIN)
    for x in range(day - 30, day + 1):
        bucket = dip if x == day else USUAL
        tallies = {
            scope: Tally(tuple(sum(counts) if at == bucket else 0 for at in range(BUCKETS)), 1, 1, counts)
            for scope, counts in scopes
        }
        fleet.take(FleetDay(0, x, x, tallies))
    assert list(fleet.merge_through(day))
    return fleet


def half(world: World | None = None) -> World:
    """An account at half of its usual in the week that ended yesterday; what it does today does not matter."""
    world = world or World()
    row = world.account("acme")
    world.use(row, range(MONTHS.start, TODAY - 7), 100.0)
    world.use(row, last(7, TODAY - 1), 50.0)
    world.use(row, [TODAY], 900.0)
    return world


def test_an_account_that_falls_alone_is_below_the_others() -> None:
    found = benchmark(fleet_of((None, weeks(at_40=5, at_50=10, at_100=85))), half().view(), None, 0)
    assert found == {
        "segment": None, "segment_median_change_pct": 0.0, "fleet_factor": 1.0, "percentile": 10.0,
    }  # fmt: skip


def test_an_account_is_compared_with_its_segment() -> None:
    fleet = fleet_of((None, weeks(at_100=400)), ("smb", weeks(at_40=60, at_60=40)), dip=30)
    found = benchmark(fleet, half().view(), "smb", 0)
    assert found == {
        "segment": "smb", "segment_median_change_pct": -60.0, "fleet_factor": 0.6, "percentile": 60.0,
    }  # fmt: skip


@pytest.mark.parametrize("segment", ["tiny", "unheard of", None])
def test_without_enough_accounts_of_a_segment_all_count(segment: str | None) -> None:
    found = benchmark(fleet_of((None, weeks(at_100=400)), ("tiny", weeks(at_40=3))), half().view(), segment, 0)
    assert found is not None
    assert (found["segment"], found["segment_median_change_pct"]) == (None, 0.0)


@pytest.mark.parametrize(
    "fleet", [Fleet(1, MIN), fleet_of((None, weeks(at_100=9))), fleet_of((None, weeks(at_100=99)), day=TODAY - 2)]
)
def test_there_is_none_without_the_day_before(fleet: Fleet) -> None:
    assert benchmark(fleet, half().view(), None, 0) is None


def test_an_account_without_a_level_has_no_place_among_the_others() -> None:
    world = World()
    world.use(world.account("new", TODAY - 5), last(5), 5.0)
    found = benchmark(fleet_of((None, weeks(at_100=99))), world.view(), None, 0)
    assert found is not None
    assert found["percentile"] is None


def test_a_fleet_that_was_stored_goes_on_with_the_same_weeks() -> None:
    fleet, restored = fleet_of((None, weeks(at_50=30)), ("smb", weeks(at_100=70))), Fleet(1, MIN)
    restored.restore(fleet.save())
    assert restored.weeks == fleet.weeks == {None: weeks(at_50=30), "smb": weeks(at_100=70)}


def test_tallies_of_partitions_add_up() -> None:
    left, right = (Tally(weeks(at_100=n), n, n, weeks(at_40=n)) for n in (2, 3))
    assert left.plus(right) == Tally(weeks(at_100=5), 5, 5, weeks(at_40=5))
