"""Roles of users: what is known of them, and whose share of activity falls."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.detectors.shares import role_decline
from pipeline.evidence.roles import MIN_SHARE
from pipeline.state.users import MAX_ROLE_NAMES, NEVER_TOLD, Users
from pipeline.terms.hashing import hash64, hash_text
from tests.support.handmade import TODAY, World, last

LATELY = last(14)
MONTHS = range(TODAY - 119, TODAY + 1)
ADMINS, EDITORS, VIEWERS = (
    [f"{letter}{number}" for number in range(count)] for letter, count in (("a", 3), ("e", 3), ("v", 6))
)


def told(users: Users, *events: tuple[str, int, str | None]) -> None:
    """Give the users of the first account events of a user, a day and a role, in one batch."""
    ids, roles = (pa.array([event[place] for event in events], pa.string()) for place in (0, 2))
    rows, days = np.ones(len(events), dtype=np.int32), np.array([day for _, day, _ in events], dtype=np.int64)
    users.mark_with_roles(rows, rows.astype(np.uint64), hash64(ids), ids, days, users.told(roles))


def known(users: Users, place: int = 1) -> tuple[str | None, int, str | None, int]:
    """The last two roles of a user with the latest day of each."""
    last_two = (users.role, users.former_role)
    role, former = (users.role_names.of(int(column[place])) for column in last_two)
    return role, int(users.role_day[place]), former, int(users.former_day[place])


def test_a_users_role_is_that_of_the_latest_day_that_tells_one() -> None:
    users = Users(10)
    told(users, ("ann", 5, "admin"), ("ann", 7, None), ("ann", 8, ""), ("bob", 6, None))
    assert known(users) == ("admin", 5, None, NEVER_TOLD)
    assert known(users, 2) == (None, NEVER_TOLD, None, NEVER_TOLD)
    told(users, ("ann", 9, "editor"), ("ann", 3, "viewer"), ("ann", 6, "admin"))
    assert known(users) == ("editor", 9, "admin", 6)


def test_the_order_and_the_batches_of_events_do_not_matter() -> None:
    events: list[tuple[str, int, str | None]] = [
        ("ann", 5, "admin"), ("ann", 6, "editor"), ("ann", 6, "viewer"), ("ann", 6, "admin"), ("ann", 4, "analyst"),
    ]  # fmt: skip
    later, former, _ = sorted(("admin", "editor", "viewer"), key=hash_text, reverse=True)
    for order in permutations(events):
        for cut in (0, 1, 3):
            users = Users(10)
            told(users, *order[:cut])
            told(users, *order[cut:])
            assert known(users) == (later, 6, former, 6)


def test_who_was_forgotten_comes_back_without_a_role() -> None:
    users = Users(10)
    told(users, ("ann", 5, "admin"))
    users.forget_day(5, None)
    told(users, ("bob", 200, None))
    assert known(users) == (None, NEVER_TOLD, None, NEVER_TOLD)


def test_names_are_forty_bytes_of_so_many_roles() -> None:
    users = Users(2 * MAX_ROLE_NAMES)
    told(users, ("ann", 1, "é" * 30))
    told(users, *(("ann", 2 + number, f"r{number}") for number in range(MAX_ROLE_NAMES + 5)))
    assert len(users.role_names.known) == MAX_ROLE_NAMES
    assert users.role_names.of(hash_text("é" * 30)) == "é" * 20
    assert known(users)[:2] == (None, MAX_ROLE_NAMES + 6)


class Office:
    """An account whose admins and editors come daily and whose viewers every third day; lately something changes."""

    def __init__(self, first_day: int = MONTHS.start, **lately: Any) -> None:
        self.world = World()
        self.row = self.world.account("acme", first_day)
        for day in range(first_day, TODAY + 1):
            change = lately if day in lately.get("days", LATELY) else {}
            if day % change.get("every", 1):
                continue
            self.come(day, "admin", change.get("admins", ADMINS))
            self.come(day, "editor", change.get("editors", EDITORS))
            viewers = [name for number, name in enumerate(VIEWERS) if number % 3 == day % 3]
            self.come(day, "viewer", change.get("viewers", viewers))
            self.come(day, "viewer", change.get("others", []))

    def come(self, day: int, role: str, users: list[str]) -> None:
        self.world.use(self.row, [day], 1.0, users, role)

    def found(self, day: int = TODAY) -> tuple[bool, float, float, float]:
        finding = role_decline.evaluate(self.world.view(day=day))
        return (bool(finding.raised[0]), *finding.values_at(0))

    def over(self, day: int = TODAY) -> bool:
        view = self.world.view(day=day)
        return role_decline.cleared(view, role_decline.evaluate(view), 0, 0.375)


def evidence_of(part: int, whole: int) -> float:
    """Of three judged roles one with 3 of 8 user-days a day, which has so many lately: by the formula."""
    safe = 3 / 8 - 0.5 * np.sqrt(1.25 * 3 / 8 * 5 / 8 / (84 * 8))
    sums = []
    for rho in (0.6, 0.3):
        total = 0.0
        for day in last(21):
            own, everybody = (part, whole) if day in LATELY else (3, 8)
            others = np.log((1 - rho * safe) / (1 - safe))
            total = (1 + total) * np.exp((own * np.log(rho) + (everybody - own) * others) / 1.25)
        sums.append(total)
    return float(np.log(np.mean(sums) / 3))


def test_a_role_that_goes_quiet_while_the_total_is_flat_is_found() -> None:
    raised, observed, expected, evidence = Office(editors=[], viewers=VIEWERS).found()
    assert (raised, observed, expected) == (True, 0.0, 3 / 8)
    assert evidence == pytest.approx(evidence_of(0, 9))


def test_a_role_that_does_a_third_while_the_total_rises_is_found() -> None:
    strangers = [f"n{number}" for number in range(9)]
    raised, observed, _, evidence = Office(editors=["e9"], viewers=VIEWERS, others=strangers).found()
    # Of those who came since, only the one of the role itself counts.
    assert (raised, observed) == (True, 1 / 10)
    assert evidence == pytest.approx(evidence_of(1, 10))


def test_growth_of_another_role_is_no_decline_however_sure_the_share_has_fallen() -> None:
    world = World()
    row = world.account("acme", MONTHS.start)
    crowd = [f"v{number}" for number in range(30)]
    for day in MONTHS:
        world.use(row, [day], 1.0, EDITORS, "editor")
        world.use(row, [day], 1.0, crowd if day in LATELY else crowd[day % 6 :: 6], "viewer")
    assert world.view().roles.low[0] == 0


@pytest.mark.parametrize(
    "lately",
    [
        pytest.param({}, id="nothing changes"),
        pytest.param({"viewers": [*VIEWERS, *(f"n{number}" for number in range(12))]}, id="another role grows"),
        pytest.param({"every": 2, "days": last(10)}, id="a holiday of everybody"),
        pytest.param({"every": 2}, id="everything falls"),
        pytest.param({"editors": []}, id="the total falls"),
        pytest.param({"editors": EDITORS[:2], "admins": ADMINS[:2]}, id="not less than the others"),
        pytest.param({"editors": ["n0", "n1", "n2"]}, id="others take their place"),
        pytest.param({"editors": [], "viewers": VIEWERS, "days": last(2)}, id="a few days"),
    ],
)
def test_no_role_declines_when(lately: dict[str, Any]) -> None:
    assert not Office(**lately).found()[0]


def test_a_role_that_falls_as_all_do_is_not_low() -> None:
    assert Office(every=2).world.view().roles.low[0] == 0


@pytest.mark.parametrize(("history", "raised"), [(37, True), (36, False)])
def test_a_role_of_three_weeks_is_known(history: int, raised: bool) -> None:
    office = Office(TODAY - history + 1, editors=[], viewers=VIEWERS)
    assert office.found()[0] == raised


def test_a_role_of_two_users_is_not_judged() -> None:
    world = World()
    row = world.account("acme", MONTHS.start)
    world.use(row, MONTHS, 1.0, ADMINS, "admin")
    world.use(row, range(MONTHS.start, LATELY.start), 1.0, EDITORS[:2], "editor")
    world.use(row, LATELY, 1.0, VIEWERS[:2], "viewer")
    assert not role_decline.evaluate(world.view()).raised[0]


def test_a_role_of_a_small_share_is_not_judged() -> None:
    world = World()
    row = world.account("acme", MONTHS.start)
    crowd = [f"u{number}" for number in range(60)]
    world.use(row, MONTHS, 1.0, crowd, "viewer")
    world.use(row, range(MONTHS.start, LATELY.start), 1.0, EDITORS, "editor")
    assert MIN_SHARE > 3 / 63
    assert world.view().roles.low[0] == 0


@pytest.mark.parametrize("stages", [1, 3])
@pytest.mark.parametrize("days", [2, 4, 7, 10, 20])
def test_no_role_declines_when_users_are_renamed_at_once_or_role_by_role(days: int, stages: int) -> None:
    world = World()
    row = world.account("acme", MONTHS.start)
    for day in MONTHS:
        for number, (role, users) in enumerate({"admin": ADMINS, "editor": EDITORS, "viewer": VIEWERS}.items()):
            since = TODAY - days + 3 * number * (stages > 1)
            world.use(row, [day], 1.0, [f"new-{user}" if day > since else user for user in users], role)
    assert not role_decline.evaluate(world.view()).raised[0]


@pytest.mark.parametrize("days", [1, 3, 5, 7, 10, 14, 20, 40, 90])
def test_no_role_declines_when_it_is_renamed_though_some_of_its_users_come_seldom(days: int) -> None:
    world = World()
    row = world.account("acme", MONTHS.start)
    many = [f"e{number}" for number in range(60)]
    random = np.random.default_rng(5)
    for day in MONTHS:
        world.use(row, [day], 1.0, ADMINS, "admin")
        present = [name for name in many if random.random() < 0.1]
        world.use(row, [day], 1.0, present, "editor" if day <= TODAY - days else "author")
    roles = world.view().roles
    assert (int(roles.low[0]), float(roles.evidence[0])) == (0, -np.inf)


@pytest.mark.parametrize("days", [3, 10, 20, 60])
def test_no_role_declines_when_users_are_promoted(days: int) -> None:
    office = Office()
    office.come(TODAY - days, "admin", EDITORS[:2])
    office.come(TODAY, "admin", EDITORS[:2])
    assert office.world.view().roles.low[0] == 0


def test_a_decline_is_over_when_no_role_does_less() -> None:
    office = Office(editors=[], viewers=VIEWERS)
    assert not office.over()
    for day in range(TODAY + 1, TODAY + 7):
        office.come(day, "admin", ADMINS)
        office.come(day, "editor", EDITORS)
        office.come(day, "viewer", VIEWERS[:2])
    assert not office.over(TODAY + 5)
    assert office.over(TODAY + 6)


def test_roles_that_were_never_told_are_not_judged() -> None:
    world = World()
    row = world.account("acme", MONTHS.start)
    world.use(row, MONTHS, 1.0, ADMINS)
    assert not world.state.users.role.any()
    roles = world.view().roles
    assert (int(roles.low[0]), int(roles.role[0]), float(roles.evidence[0])) == (0, 0, -np.inf)
