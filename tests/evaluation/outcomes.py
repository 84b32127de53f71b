"""Everything that is told of accounts, of whatever family and kind, in worlds in which no customer is about to be lost.

Each world changes one simulated stream to which nothing was done. What is told in it, and not of the same account and
kind within a fortnight in the stream as it is, the change has caused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from agents.backtest.run import replay, told
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.kinds import KINDS
from pipeline.scoring.labels import labels_from_table, match
from pipeline.simulate import SimulationSettings, simulate
from schemas.topics import DAY_MS
from tests.evaluation.budget import YEAR_DAYS
from tests.evaluation.budgets import SEEN_AT_MS
from tests.evaluation.task import Size, Task
from tests.evaluation.worlds import CALM, CHANGE_DAY, EVERYWHERE, WATCHED_DAYS, WORLDS, Scene, World

SAME_DAYS = 14
IDENTITY = "identity_changed"
DECLINES = ("power_user_decline", "usage_drop", "slow_decline", "champion_loss")


class Opening(NamedTuple):
    """The first record of an alert."""

    account_id: str
    kind: str
    dimension: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that was told in one world."""

    world: str
    start_ms: int
    account_ids: frozenset[str]
    """To which it happened."""
    openings: Sequence[Opening]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was told of the accounts that one world happened to."""

    world: str
    accounts: int
    account_years: float
    by_kind: Mapping[str, int]
    """All alerts of these accounts."""
    caused: Mapping[str, int]
    """Those that are not told without the change."""
    alarmed: int
    """Accounts with one that it has caused and that is wrong: not that identities have changed, nor of advocacy."""
    lost: Mapping[str, int]
    """Alerts that are told without the change only."""
    identities: int
    """Accounts of which a change of identity is told."""
    twice: int
    """Of these more than once."""
    of_fleet: Mapping[str, int]
    """Alerts of the fleet and of segments that it has caused."""


@dataclass(frozen=True, slots=True)
class Declines:
    """Incidents of accounts after everybody has got another id."""

    kind: str
    labels: int
    found: int
    found_without: int
    """Of the same without the change."""


def tasks(size: Size) -> list[Task]:
    """Every world, and what is found after new ids."""
    worlds = [
        Task(f"world: {world.name}", partial(_heard, size, number))
        for number, world in enumerate(WORLDS)
        if world is not CALM[0]
    ]
    return [Task("declines after new ids", partial(_declines, size)), *worlds]


def _heard(size: Size, number: int) -> Iterator[Heard]:
    settings = SimulationSettings(
        seed=size.seed + 10, accounts=size.stream_accounts, days=CHANGE_DAY + WATCHED_DAYS, kinds=()
    )
    world, stream = WORLDS[number], simulate(settings)
    rng = np.random.default_rng((size.seed, 6, number))
    account_ids = np.unique(stream.profiles["account_id"].to_pylist())
    chosen = frozenset(account_ids[rng.random(len(account_ids)) < world.share].tolist())
    changed = world.change(Scene(stream, settings, chosen, rng))
    openings = [
        Opening(alert["account_id"], alert["kind"], alert["dimension"], alert["detected_at"])
        for alert in told(replay(EventFiles.of(changed), EngineConfig(), seen_at_ms=SEEN_AT_MS).alerts)
        if alert["revision"] == 1
    ]
    for one in CALM if world in CALM else (world,):
        yield Heard(one.name, settings.start_ms, chosen, openings)


def outcomes(heard: Sequence[Heard]) -> Iterator[Outcome]:
    """Each world beside the calm one."""
    usual = next((one.openings for one in heard if one.world == CALM[1].name), ())
    by_name = {world.name: world for world in WORLDS}
    for one in heard:
        yield _outcome(by_name[one.world], one, usual)


def _outcome(world: World, heard: Heard, usual: Sequence[Opening]) -> Outcome:
    first_ms = heard.start_ms + world.from_day * DAY_MS
    end_ms = first_ms + world.days * DAY_MS
    after, before = (
        [opening for opening in openings if first_ms <= opening.at_ms < end_ms] for openings in (heard.openings, usual)
    )
    own = [opening for opening in after if opening.account_id in heard.account_ids]
    caused = [opening for opening in own if not _known(opening, usual)]
    lost = [
        opening for opening in before if opening.account_id in heard.account_ids and not _known(opening, heard.openings)
    ]
    identities = Counter(opening.account_id for opening in own if opening.kind == IDENTITY)
    return Outcome(
        world.name,
        len(heard.account_ids),
        len(heard.account_ids) * world.days / YEAR_DAYS,
        _by_kind(own),
        _by_kind(caused),
        len({opening.account_id for opening in caused if _alarms(opening.kind, world)}),
        _by_kind(lost),
        len(identities),
        sum(count > 1 for count in identities.values()),
        _by_kind([one for one in after if one.account_id.startswith("fleet") and not _known(one, usual)]),
    )


def _alarms(kind: str, world: World) -> bool:
    """Whether it is wrong to be told so; that somebody may be asked for a reference is no alarm."""
    return KINDS[kind].family != "advocacy" and kind not in (IDENTITY, *world.rightly)


def _known(opening: Opening, others: Sequence[Opening]) -> bool:
    """Whether the same is told about the same time."""
    return any(opening[:3] == other[:3] and abs(opening.at_ms - other.at_ms) <= SAME_DAYS * DAY_MS for other in others)


def _by_kind(openings: Sequence[Opening]) -> dict[str, int]:
    return dict(Counter(opening.kind for opening in openings).most_common())


def _declines(size: Size) -> Iterator[Declines]:
    """Incidents that begin a week after the change or later."""
    settings = SimulationSettings(
        seed=size.seed + 20,
        accounts=size.stream_accounts,
        days=CHANGE_DAY + WATCHED_DAYS,
        incidents_per_kind=size.stream_accounts // 10,
        kinds=DECLINES,
        first_incident_day=CHANGE_DAY + 7,
    )
    stream = simulate(settings)
    everybody = frozenset(stream.profiles["account_id"].to_pylist())
    changed = EVERYWHERE.change(Scene(stream, settings, everybody, np.random.default_rng((size.seed, 7))))
    labels = labels_from_table(stream.labels)
    found, without = (
        match(labels, replay(EventFiles.of(each), EngineConfig(), seen_at_ms=SEEN_AT_MS).alerts).findings
        for each in (changed, stream)
    )
    for kind in DECLINES:
        own = [(one.found, other.found) for one, other in zip(found, without, strict=True) if one.label.kind == kind]
        yield Declines(kind, len(own), sum(one for one, _ in own), sum(other for _, other in own))
