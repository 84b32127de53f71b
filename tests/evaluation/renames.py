"""People who get other ids, or are replaced by others who do the same: whatever is told of it but a change of identity.

The same accounts are watched with and without it. What is told in the one case and not in the other within a fortnight
of the same day is wrong, whatever its kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from agents.backtest.run import Alert, replay
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.scoring.labels import labels_from_table, match
from pipeline.simulate import SimulatedStream, SimulationSettings, simulate
from schemas.topics import DAY_MS
from tests.evaluation.streams import SEEN_AT_MS

CHANGE_DAY = 120
"""Of the stream, on which it begins."""
WATCHED_DAYS = 120
SAME_DAYS = 14
"""An alert that is told of the account without the change within so many days has another cause."""
TOLD = ("identity_changed", "fleet_identity_changed")
DECLINES = ("power_user_decline", "usage_drop", "slow_decline", "champion_loss")


@dataclass(frozen=True, slots=True)
class World:
    """What happens to the ids of an account's users."""

    name: str
    accounts: float
    """Share of those to which it happens."""
    users: float
    """Share of the users of these."""
    over_days: float
    """Within which it happens to them."""
    away_days: float = 0.0
    """For which there is nobody, at most: then others come."""


WORLDS = (
    World("everybody, at once", 0.5, 1.0, 0.0),
    World("half of them, at once", 0.5, 0.5, 0.0),
    World("30 %, at once", 0.5, 0.3, 0.0),
    World("everybody, within a month", 0.5, 1.0, 30.0),
    World("half of them, within a month", 0.5, 0.5, 30.0),
    World("a quarter replaced by others, each within a week", 0.5, 0.25, 30.0, 7.0),
    World("everybody of the whole fleet, at once", 1.0, 1.0, 0.0),
)
EVERYWHERE = WORLDS[-1]


@dataclass(frozen=True, slots=True)
class Renames:
    """What was told in one world."""

    world: str
    accounts: int
    alarmed: int
    """Accounts with an alert that the change has caused, of whatever kind."""
    by_kind: Mapping[str, int]
    """Those alerts."""
    lost: Mapping[str, int]
    """Alerts that are told without the change only."""
    told: int
    """Accounts of which a change of identity is told."""
    twice: int
    """Of these more than once."""
    of_fleet: int
    """Alerts of the fleet about it."""


@dataclass(frozen=True, slots=True)
class Declines:
    """Incidents of accounts after everybody has got another id."""

    kind: str
    labels: int
    found: int
    found_without: int
    """Of the same without the change."""


def measure(accounts: int, seed: int, worlds: Sequence[World], tell: Callable[[str], None]) -> Iterator[Renames]:
    """Replay one stream in each of the worlds, and as it is."""
    settings = SimulationSettings(seed=10 + seed, accounts=accounts, days=CHANGE_DAY + WATCHED_DAYS, kinds=())
    stream = simulate(settings)
    usual = _openings(stream, settings)
    for world in worlds:
        tell(f"new ids: {world.name}")
        changed, chosen = _changed(stream, settings, world, np.random.default_rng((seed, 6, WORLDS.index(world))))
        yield _compare(world, chosen, usual, _openings(changed, settings))


def declines(accounts: int, seed: int, tell: Callable[[str], None]) -> Iterator[Declines]:
    """Incidents that begin a week after the change or later."""
    tell("new ids: declines after it")
    settings = SimulationSettings(
        seed=20 + seed,
        accounts=accounts,
        days=CHANGE_DAY + WATCHED_DAYS,
        incidents_per_kind=accounts // 10,
        kinds=DECLINES,
        first_incident_day=CHANGE_DAY + 7,
    )
    stream = simulate(settings)
    changed, _ = _changed(stream, settings, EVERYWHERE, np.random.default_rng((seed, 7)))
    labels = labels_from_table(stream.labels)
    found, without = (match(labels, _alerts(each)).findings for each in (changed, stream))
    for kind in DECLINES:
        own = [
            (one.delay_days, other.delay_days)
            for one, other in zip(found, without, strict=True)
            if one.label.kind == kind
        ]
        counts = [sum(delay is not None for delay in delays) for delays in zip(*own, strict=True)]
        yield Declines(kind, len(own), *counts)


def _alerts(stream: SimulatedStream) -> Sequence[Alert]:
    return replay(EventFiles.of(stream), EngineConfig(), seen_at_ms=SEEN_AT_MS).alerts


def _openings(stream: SimulatedStream, settings: SimulationSettings) -> list[Alert]:
    from_ms = settings.start_ms + CHANGE_DAY * DAY_MS
    return [alert for alert in _alerts(stream) if alert["revision"] == 1 and alert["detected_at"] >= from_ms]


def _changed(
    stream: SimulatedStream, settings: SimulationSettings, world: World, rng: np.random.Generator
) -> tuple[SimulatedStream, set[str]]:
    """The stream with other ids of some users, and the accounts to which this happens."""
    usage = stream.usage
    users, owners = (np.array(usage[name].to_pylist(), dtype=object) for name in ("user_id", "account_id"))
    named = np.flatnonzero(users != None)  # noqa: E711
    accounts, of_event = np.unique(owners, return_inverse=True)
    people, who = np.unique(owners[named] + "/" + users[named], return_inverse=True)
    home = np.zeros(len(people), dtype=np.int64)
    home[who] = of_event[named]
    concerned = rng.random(len(accounts)) < world.accounts
    moved = concerned[home] & (rng.random(len(people)) < world.users)
    last = settings.start_ms + (CHANGE_DAY + rng.random(len(people)) * world.over_days) * DAY_MS
    first = last + rng.random(len(people)) * world.away_days * DAY_MS
    at = usage["occurred_at"].to_numpy()[named]
    later = moved[who] & (at >= last[who])
    users[named[later]] += ".new"
    here = np.ones(len(users), dtype=np.bool_)
    here[named[later & (at < first[who])]] = False
    place = usage.schema.get_field_index("user_id")
    usage = usage.set_column(place, usage.schema.field(place), pa.array(users, usage.schema.field(place).type))
    return replace(stream, usage=usage.filter(pa.array(here))), set(accounts[concerned].tolist())


def _compare(world: World, accounts: set[str], usual: list[Alert], after: list[Alert]) -> Renames:
    told = Counter(alert["account_id"] for alert in after if alert["kind"] == TOLD[0])
    wrong = [alert for alert in after if alert["kind"] not in TOLD and not _known(alert, usual)]
    lost = [alert for alert in usual if not _known(alert, after)]
    return Renames(
        world.name,
        len(accounts),
        len({alert["account_id"] for alert in wrong}),
        dict(Counter(alert["kind"] for alert in wrong)),
        dict(Counter(alert["kind"] for alert in lost)),
        len(told),
        sum(count > 1 for count in told.values()),
        sum(alert["kind"] == TOLD[1] for alert in after),
    )


def _known(alert: Alert, others: list[Alert]) -> bool:
    """Whether the same is told about the same time."""
    key = ("account_id", "kind", "dimension")
    return any(
        all(alert[name] == other[name] for name in key)
        and abs(alert["detected_at"] - other["detected_at"]) <= SAME_DAYS * DAY_MS
        for other in others
    )
