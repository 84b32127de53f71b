"""Every kind of alert in every situation that concerns many accounts at once: one alert tells of it, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from pipeline.config import EngineConfig
from pipeline.kinds import KINDS
from pipeline.terms.calendar import PlannedShutdown
from pipeline.terms.kind import Kind
from tests.oracle.model import SIGNALS
from tests.support.crowd import ACCOUNTS, CHILDREN, LARGE, REST, Crowd, Left

START = 20_110
"""2025-01-22: no public holiday within the days that are watched."""
CHRISTMAS = 20_082
HOLIDAYS = (CHRISTMAS, CHRISTMAS + 1, CHRISTMAS + 7)
WATCHED_DAYS = 45
CHANCE = {"expansion": 2, "advocacy": 2}
CONFIG = EngineConfig(
    basic_drop_pct=50.0, basic_min_actions=20.0, stage_days=(("adoption", 400),), fleet_min_accounts=10
)
"""With every kind switched on."""


@dataclass(frozen=True)
class Situation:
    """What happens from `START` on, and the alert that tells of it."""

    name: str
    left: Left
    told: frozenset[tuple[str, str]] = frozenset()
    config: EngineConfig = CONFIG


def lasting(days: int, share: float, concerns: Callable[[int], bool] = lambda _: True) -> Left:
    return lambda account, day: share if START <= day < START + days and concerns(account) else 1.0


OUTAGE, DIP = frozenset({("usage_feed_stopped", "fleet")}), frozenset({("fleet_dip", "fleet")})
SITUATIONS = (
    Situation("an outage of the feed for 5 days", lasting(5, 0.0), OUTAGE),
    Situation("an outage of the feed for 14 days", lasting(14, 0.0), OUTAGE),
    Situation("a dip of all", lasting(6, 0.3), DIP),
    Situation(
        "a dip of a segment",
        lasting(6, 0.3, LARGE.__contains__),
        frozenset({("fleet_dip", "fleet:large")}),
    ),
    Situation(
        "a planned shutdown",
        lasting(10, 0.0),
        config=replace(CONFIG, shutdowns=(PlannedShutdown(START, START + 9),)),
    ),
)


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    return contented(START)


def contented(day: int) -> Crowd:
    """Accounts of a hundred ordinary days before a day, half of them happy."""
    crowd = Crowd(CONFIG, day - 100)
    crowd.live(100, on_holidays)
    for said in ({"type": "pulse", "score": 5.0}, {"type": "nps", "score": 9.0, "contact_id": "u3"}):
        crowd.send(SIGNALS, [crowd.event(account, **said) for account in range(0, ACCOUNTS, 2)])
    return crowd


@pytest.fixture(scope="module")
def own(crowd: Crowd) -> set[tuple[str, str]]:
    """What is said of the accounts when nothing happens."""
    calm = crowd.branch()
    calm.live(WATCHED_DAYS)
    return calm.opened()


def assert_alike(opened: set[tuple[str, str]], own: set[tuple[str, str]]) -> None:
    """Nothing else is told than would be anyway; of growth and joy chance may add one or two."""
    more = Counter(kind for kind, _ in opened - own)
    assert {kind: count for kind, count in more.items() if count > CHANCE.get(KINDS[kind].family, 0)} == {}


def of_health(kind: Kind) -> bool:
    return kind.of_card or kind.consequence


def on_holidays(account: int, day: int) -> float:
    return REST if day in HOLIDAYS else 1.0


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_what_concerns_everybody_is_told_once(situation: Situation, crowd: Crowd, own: set[tuple[str, str]]) -> None:
    world = crowd.branch(situation.config)
    world.live(WATCHED_DAYS, situation.left)
    assert_alike(world.opened() - situation.told, own)
    assert situation.told <= world.opened()


def test_nothing_bursts_out_when_a_dip_is_over(crowd: Crowd) -> None:
    """Some customers stop altogether in a dip and come back some days after the others: that alone would be nothing."""
    late, dip, after = range(0, ACCOUNTS, 5), range(START, START + 10), range(START + 10, START + 14)

    def ordinary(account: int, day: int) -> float:
        return 0.0 if account in late and day in after else 1.0

    def dipped(account: int, day: int) -> float:
        return (0.0 if account in late else 0.55) if day in dip else ordinary(account, day)

    without, world = crowd.branch(), crowd.branch()
    without.live(WATCHED_DAYS, ordinary)
    world.live(WATCHED_DAYS, dipped)
    assert_alike(world.opened() - DIP, without.opened())
    assert world.opened() >= DIP


@pytest.mark.parametrize("named", [0.0, 0.2, 0.5])
def test_machines_that_take_over_from_people_are_told_once(
    named: float, crowd: Crowd, own: set[tuple[str, str]]
) -> None:
    """Events go on without user ids, for longer than anything that was usual is remembered."""
    some = range(0, ACCOUNTS, 4)
    world = crowd.branch()
    world.live(100, named=lambda account, day: named if account in some and day >= START else 1.0)
    calm = crowd.branch()
    calm.live(100)
    told = {("users_unnamed", f"a{account}") for account in some}
    assert told <= world.opened()
    assert_alike(world.opened() - told, calm.opened())
    kinds = {alert["kind"] for alert in world.alerts if alert["kind"] == "users_unnamed" and alert["revision"] > 2}
    assert kinds == set()


def test_nothing_is_told_of_public_holidays() -> None:
    before = contented(CHRISTMAS - 2)
    world, calm = before.branch(), before.branch()
    world.live(WATCHED_DAYS, on_holidays)
    calm.live(WATCHED_DAYS)
    assert_alike(world.opened(), calm.opened())


@pytest.mark.parametrize("share", [0.0, 0.3], ids=["silent", "fallen"])
def test_what_began_with_the_parent_is_told_of_the_parent(
    share: float, crowd: Crowd, own: set[tuple[str, str]]
) -> None:
    world = crowd.branch()
    world.live(20, lambda account, day: share if account == 0 else 1.0)
    world.live(WATCHED_DAYS, lambda account, day: share if account == 0 or account in CHILDREN else 1.0)
    children = {f"a{account}" for account in CHILDREN}
    told = {kind for kind, account in world.opened() - own if account in children}
    # Their health is told of; that is of each account for itself.
    assert {kind for kind in told if KINDS[kind].family == "risk" and not of_health(KINDS[kind])} == set()
    # Without the parent the same children are told of.
    alone = crowd.branch()
    alone.live(20)
    alone.live(WATCHED_DAYS, lambda account, day: share if account in CHILDREN else 1.0)
    assert {kind for kind, account in alone.opened() - own if account in children} - told
