"""Alerts explain themselves: dimensions with their part in the evidence, and who moved most."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.alerts.records import MAX_CONTRIBUTORS
from pipeline.detectors import COMBINED
from pipeline.detectors.drops import usage_drop
from pipeline.explain.contributors import contributors
from pipeline.explain.explanation import explanations
from pipeline.explain.explanation import tested_dimensions as dimensions_of
from pipeline.kinds import KINDS
from schemas.topics import DAY_MS
from tests.support.handmade import MONTHS, TODAY, World, last

LONG_AGO, BEFORE = range(TODAY - 119, MONTHS.start), range(MONTHS.start, TODAY - 6)
TEAM = ["ann", "bob", "cleo", "dan", "eve", "fay"]


def named(
    world: World, kind: str, row: int = 1, day: int = TODAY, who: str = ""
) -> list[tuple[str, str, float | None]]:
    return [(one["kind"], one["ref"], one["change"]) for one in contributors(world.state, row, day, KINDS[kind], who)]


def waning() -> World:
    """Ann is gone and bob comes every other day; nobody exports any more; a guest comes who was there long ago."""
    world = World()
    row = world.account("acme", MONTHS.start)
    world.use(row, LONG_AGO, 0.0, TEAM)
    world.use(row, [TODAY - 109], 0.0, ["guest"])
    world.use(row, BEFORE, 100.0, TEAM)
    world.use(row, last(7), 40.0, TEAM[2:])
    world.use(row, last(4), 0.0, ["bob", "guest"])
    world.feature(row, BEFORE, "home", "export")
    world.feature(row, last(7), "home", "share")
    return world


@pytest.mark.parametrize("kind", ["usage_drop", "users_drop", "silence", "usage_decline"])
def test_a_fall_names_the_users_who_do_less_and_then_the_features(kind: str) -> None:
    assert named(waning(), kind) == [("user", "ann", -7.0), ("user", "bob", -3.0), ("feature", "export", -7.0)]


@pytest.mark.parametrize("kind", ["breadth_drop", "feature_abandonment"])
def test_what_is_about_features_names_features(kind: str) -> None:
    assert named(waning(), kind) == [("feature", "export", -7.0)]


def test_a_decline_of_power_users_names_none_of_the_others() -> None:
    world = waning()
    world.use(1, range(TODAY - 60, TODAY - 40), 0.0, ["temp"])
    assert ("user", "temp", -2.5) in named(world, "usage_drop")
    assert named(world, "power_user_decline") == [("user", "ann", -7.0), ("user", "bob", -3.0)]


def test_a_declining_role_is_named_and_then_its_users() -> None:
    world = World()
    row = world.account("acme", TODAY - 120)
    world.use(row, range(TODAY - 119, TODAY + 1), 1.0, TEAM[:2], "admin")
    world.use(row, range(TODAY - 119, TODAY), 1.0, TEAM[2:3], "admin")
    world.use(row, range(TODAY - 119, TODAY - 13), 1.0, TEAM[3:], "editor")
    world.use(row, last(14), 1.0, TEAM[3:4], "editor")
    assert named(world, "role_decline") == [("role", "editor", -14.0), ("user", "eve", -7.0), ("user", "fay", -7.0)]
    world.state.users.role_names.known.clear()
    assert named(world, "role_decline") == [("user", "eve", -7.0), ("user", "fay", -7.0)]
    assert named(world, "role_decline", day=TODAY - 20) == []


def test_a_silent_champion_is_named() -> None:
    world = waning()
    assert named(world, "champion_silent", who="bob") == [("contact", "bob", -3.0)]
    assert named(world, "sponsor_silent", who="nobody") == [("contact", "nobody", None)]
    assert named(world, "power_user_silent") == [("user", "ann", -7.0), ("user", "bob", -3.0)]


def test_those_who_are_named_have_their_last_day() -> None:
    world = waning()
    days = [one["last_active_at"] // DAY_MS for one in contributors(world.state, 1, TODAY, KINDS["usage_drop"])]
    assert days == [TODAY - 7, TODAY, TODAY - 7]
    [champion] = contributors(world.state, 1, TODAY, KINDS["champion_silent"], "ann")
    assert champion["last_active_at"] == (TODAY - 7) * DAY_MS


def test_a_new_team_is_named_and_then_its_users() -> None:
    world = World()
    row = world.account("acme", TODAY - 110)
    world.use(row, range(TODAY - 110, TODAY + 1), 1.0, ["ann@acme.example"])
    world.use(row, last(3), 1.0, [f"{name}@new.example" for name in ("kim", "lee", "max")])
    team, *users = named(world, "new_team")
    assert team == ("team", "new.example", 9.0)
    assert {name for _, name, _ in users} == {"kim@new.example", "lee@new.example", "max@new.example"}


def test_the_one_who_does_most_is_named_whether_it_is_more_than_before_or_not() -> None:
    world = World()
    row = world.account("acme", MONTHS.start)
    world.use(row, BEFORE, 1.0, ["ann", "bob"])
    world.use(row, last(6), 1.0, ["ann"])
    assert named(world, "single_user_dependence") == [("user", "ann", -1.0)]


def test_growth_names_who_does_more() -> None:
    assert named(waning(), "users_growth") == [("user", "guest", 4.0)]
    assert named(waning(), "premium_probing") == [("feature", "share", 7.0)]


def test_nobody_is_named_for_what_is_not_about_usage() -> None:
    assert named(waning(), "ticket_surge") == []


def test_five_are_named_at_most() -> None:
    world = World()
    row = world.account("acme", MONTHS.start)
    world.use(row, BEFORE, 10.0, [f"u{n}" for n in range(9)])
    world.feature(row, BEFORE, "home")
    assert len(named(world, "usage_drop")) == MAX_CONTRIBUTORS
    assert {kind for kind, _, _ in named(world, "usage_drop")} == {"user"}


def test_a_young_account_is_compared_with_the_days_that_it_has() -> None:
    world = World()
    row = world.account("new", TODAY - 20)
    world.use(row, range(TODAY - 20, TODAY - 9), 10.0, ["ann"])
    assert named(world, "usage_drop", row) == [("user", "ann", -7.0)]
    fresh = world.account("fresh", TODAY - 9)
    world.use(fresh, range(TODAY - 9, TODAY - 7), 10.0, ["ann"])
    assert named(world, "usage_drop", fresh) == []


def test_what_is_told_as_of_a_day_knows_nothing_of_the_days_after() -> None:
    assert named(waning(), "usage_drop", day=TODAY - 7) == []


def dimensions(world: World) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in dimensions_of(world.view(), np.array([0]))[0]}


def test_each_dimension_has_its_part_in_the_evidence_and_flat_ones_have_none() -> None:
    world = waning()
    world.pane("active_users", 1, BEFORE, 6)
    world.pane("active_users", 1, last(7), 6)
    found = dimensions(world)
    weight = {detector.KIND.dimension: detector.KIND.weight for detector in COMBINED.components}
    assert {name: found[name]["state"] for name in ("total_usage", "daily_users")} == {
        "total_usage": "down",
        "daily_users": "flat",
    }
    assert found["total_usage"]["contribution_pct"] > 99.5
    assert (found["daily_users"]["contribution_pct"], found["daily_users"]["weight"]) == (0.0, weight["daily_users"])
    # The flat one has a log e-value too, and it speaks against a change.
    assert found["total_usage"]["evidence"] > 8.0 > 1.0 > found["daily_users"]["evidence"]


def test_the_parts_are_those_of_the_weighted_mean() -> None:
    world = World()
    row = world.account("acme", MONTHS.start)
    world.use(row, range(MONTHS.start, TODAY - 13), 20.0)
    world.use(row, last(14), 8.0)
    for pane, before, after in (("active_users", 6, 3), ("active_features", 5, 2)):
        world.pane(pane, row, range(MONTHS.start, TODAY - 13), before)
        world.pane(pane, row, last(14), after)
    view = world.view()
    parts = {
        detector.KIND.dimension: detector.KIND.weight * np.exp(view.finding(detector).surest[0])
        for detector in COMBINED.components
    }
    found = dimensions(world)
    for name in ("total_usage", "daily_users", "daily_features"):
        assert found[name]["contribution_pct"] == pytest.approx(100 * parts[name] / sum(parts.values()), abs=0.01)
    assert sum(one["contribution_pct"] for one in found.values()) == pytest.approx(100.0, abs=0.05)


def test_features_are_told_as_those_in_use() -> None:
    world = World()
    row = world.account("acme", MONTHS.start)
    world.use(row, [*LONG_AGO, *MONTHS], 20.0)
    world.feature(row, [*LONG_AGO, *MONTHS], "home", "share", "chat")
    world.feature(row, [*LONG_AGO, *range(MONTHS.start, TODAY - 20)], "export")
    found = dimensions(world)["feature_share"]
    assert (found["observed"], found["expected"], found["state"]) == (3.0, 4.0, "down")
    assert found["contribution_pct"] == 100.0


def test_an_account_without_any_change_has_no_parts() -> None:
    world = World()
    row = world.account("acme", MONTHS.start)
    world.use(row, MONTHS, 20.0)
    found = dimensions(world)
    assert found["total_usage"]["contribution_pct"] == 0.0
    assert usage_drop.evidence_of(world.view(), np.array([0]))[0] == pytest.approx(found["total_usage"]["evidence"])


def test_silence_stands_beside_the_weighed_dimensions() -> None:
    world = World()
    world.use(world.account("acme", MONTHS.start), range(MONTHS.start, TODAY - 9), 5.0)
    found = dimensions(world)["activity"]
    assert (found["observed"], found["weight"], found["contribution_pct"]) == (10.0, 0, None)
    explained = explanations(world.state, world.view(), np.array([0]))[0]
    assert (explained.baseline_days, explained.provisional) == (56, False)
