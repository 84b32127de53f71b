"""People who get other ids, or are replaced by others who do the same: whatever is told of it but a change of identity.

The same accounts are watched with and without it. What is told in the one case and not in the other within a fortnight
of the same day is wrong, whatever its kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from agents.backtest.run import replay
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.simulate import SimulatedStream, SimulationSettings, simulate
from pipeline.terms.arrays import F64, I64
from schemas.topics import DAY_MS

CHANGE_DAY = 120
"""Of the stream, on which it begins."""
WATCHED_DAYS = 120
SAME_DAYS = 14
"""An alert that is told of the account without the change within so many days has another cause."""
TOLD = ("identity_changed", "fleet_identity_changed")
NEVER = 1e9


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


@dataclass(frozen=True, slots=True)
class Renames:
    """What was told in one world."""

    world: str
    accounts: int
    wrong: Mapping[str, int]
    """Alerts by kind that the change has caused."""
    missing: Mapping[str, int]
    """Alerts that are told without the change only."""
    alarmed: int
    """Accounts with a wrong one."""
    told: int
    """Accounts of which a change of identity is told."""
    twice: int
    """Of these more than once."""
    of_fleet: int
    """Alerts of the fleet about it."""


def measure(
    settings: SimulationSettings, seed: int, tell: Callable[[str], None] = print, worlds: tuple[World, ...] = WORLDS
) -> Iterator[Renames]:
    """Replay the stream in each of the worlds, and as it is."""
    stream = simulate(settings)
    before = _openings(stream, settings)
    for world in worlds:
        tell(f"new ids: {world.name}")
        changed, accounts = _changed(stream, settings, world, np.random.default_rng((seed, 6, WORLDS.index(world))))
        yield _compare(world, settings, accounts, before, _openings(changed, settings))


def _openings(stream: SimulatedStream, settings: SimulationSettings) -> list[dict[str, Any]]:
    from_ms = settings.start_ms + CHANGE_DAY * DAY_MS
    alerts = replay(EventFiles.of(stream), EngineConfig(), seen_at_ms=2_000_000_000_000).alerts
    return [a for a in alerts if a["revision"] == 1 and from_ms <= a["detected_at"] <= from_ms + WATCHED_DAYS * DAY_MS]


def _changed(
    stream: SimulatedStream, settings: SimulationSettings, world: World, rng: np.random.Generator
) -> tuple[SimulatedStream, set[str]]:
    usage = stream.usage.combine_chunks()
    named = np.flatnonzero(usage["user_id"].is_valid().to_numpy())
    account_ids, owner = _encoded(usage["account_id"])
    keys, own = np.unique(
        np.char.add(
            np.char.add(np.array(usage["account_id"].take(named).to_pylist()), "\t"),
            np.array(usage["user_id"].take(named).to_pylist()),
        ),
        return_inverse=True,
    )
    concerned = rng.random(len(account_ids)) < world.accounts
    of_account = np.array([account_ids.index(key.split("\t")[0]) for key in keys])
    moved = concerned[of_account] & (rng.random(len(keys)) < world.users)
    begins = settings.start_ms + CHANGE_DAY * DAY_MS
    ends = np.where(moved, begins + rng.random(len(keys)) * world.over_days * DAY_MS, np.inf)
    back = ends + rng.random(len(keys)) * world.away_days * DAY_MS
    at = usage["occurred_at"].to_numpy()
    users = np.array(usage["user_id"].to_pylist(), dtype=object)
    later = at[named] >= ends[own]
    users[named[later]] = [f"{user}.new" for user in users[named[later]]]
    kept = np.ones(len(at), dtype=np.bool_)
    kept[named[later & (at[named] < back[own])]] = False
    place = usage.schema.get_field_index("user_id")
    usage = usage.set_column(place, usage.schema.field(place), pa.array(users, usage.schema.field(place).type))
    chosen = {account_ids[number] for number in np.flatnonzero(concerned)}
    return replace(stream, usage=usage.filter(pa.array(kept))), chosen


def _encoded(column: pa.ChunkedArray) -> tuple[list[str], I64]:
    codes = column.combine_chunks().dictionary_encode()
    return codes.dictionary.to_pylist(), codes.indices.to_numpy()


def _compare(
    world: World,
    settings: SimulationSettings,
    accounts: set[str],
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
) -> Renames:
    told = Counter(a["account_id"] for a in after if a["kind"] == TOLD[0])
    wrong = [a for a in after if a["kind"] not in TOLD and not _known(a, before)]
    missing = [a for a in before if a["account_id"] in accounts and not _known(a, after)]
    return Renames(
        world.name,
        len(accounts),
        dict(Counter(a["kind"] for a in wrong)),
        dict(Counter(a["kind"] for a in missing)),
        len({a["account_id"] for a in wrong}),
        len(told),
        sum(count > 1 for count in told.values()),
        sum(a["kind"] == TOLD[1] for a in after),
    )


def _known(alert: dict[str, Any], others: list[dict[str, Any]]) -> bool:
    key = (alert["account_id"], alert["kind"], alert["dimension"])
    return any(
        key == (other["account_id"], other["kind"], other["dimension"])
        and abs(alert["detected_at"] - other["detected_at"]) <= SAME_DAYS * DAY_MS
        for other in others
    )
