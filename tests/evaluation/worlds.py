"""What may happen to accounts and is no reason to alarm: changes of one simulated stream to which nothing was done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.simulate import SimulatedStream, SimulationSettings
from pipeline.simulate.arrival import as_arrived
from pipeline.simulate.incidents import HOUR_MS, Incident
from pipeline.simulate.tables import BILLING, PROFILES
from pipeline.terms.arrays import F64, I64, Bools
from schemas.topics import DAY_MS

CHANGE_DAY = 120
"""Of the stream, on which it begins."""
WATCHED_DAYS = 120
NOTICE_DAYS = 14
"""From a cancellation to the end."""
PAUSE_DAYS = 42


@dataclass(frozen=True, slots=True)
class Scene:
    """The stream as it is, and whom it happens to."""

    stream: SimulatedStream
    settings: SimulationSettings
    accounts: frozenset[str]
    rng: np.random.Generator

    def at_ms(self, days: float = 0.0) -> int:
        """So many days after the change."""
        return self.settings.start_ms + round((CHANGE_DAY + days) * DAY_MS)

    def concerned(self, table: pa.Table) -> Bools:
        """Rows of the accounts that it happens to."""
        wanted = pa.array(sorted(self.accounts), pa.string())
        return np.asarray(pc.is_in(table["account_id"], wanted).to_numpy())

    def without(self, table: pa.Table, first_ms: int, end_ms: int, left: float = 0.0) -> pa.Table:
        """Rows of those accounts in a time are gone, but for a share of each person's days."""
        at = table["occurred_at"].to_numpy()
        gone = self.concerned(table) & (at >= first_ms) & (at < end_ms)
        if left:
            gone &= ~self.days_kept(table, left)
        return table.filter(pa.array(~gone))

    def days_kept(self, usage: pa.Table, share: F64 | float) -> Bools:
        """Events that are left when a share of each person's days is, given as one number or for each event."""
        names, who = people(usage)
        days = (usage["occurred_at"].to_numpy() - self.settings.start_ms) // DAY_MS
        return np.asarray(self.rng.random((len(names), self.settings.days))[who, days] < share)


def people(usage: pa.Table) -> tuple[list[str], I64]:
    """Account and id of everybody, and whose each event is; events without an id are of one person an account."""
    names = pc.binary_join_element_wise(usage["account_id"], pc.fill_null(usage["user_id"], ""), "/")
    codes = names.combine_chunks().dictionary_encode()
    return codes.dictionary.to_pylist(), codes.indices.to_numpy().astype(np.int64)


Change = Callable[[Scene], SimulatedStream]


@dataclass(frozen=True, slots=True)
class NewIds:
    """Users get other ids, or go and are followed by others."""

    users: float
    """Share of an account's users."""
    over_days: float
    """Within which it happens to them."""
    away_days: float = 0.0
    """For which there is nobody, at most: then others come."""
    learning_days: float = 0.0
    """In which those come less often, at first on half of the days."""

    def __call__(self, scene: Scene) -> SimulatedStream:
        """The stream with it."""
        usage, rng = scene.stream.usage, scene.rng
        names, who = people(usage)
        home = np.array([name.partition("/")[0] in scene.accounts and not name.endswith("/") for name in names])
        moved = home & (rng.random(len(names)) < self.users)
        last = scene.at_ms() + rng.random(len(names)) * self.over_days * DAY_MS
        first = last + rng.random(len(names)) * self.away_days * DAY_MS
        at = usage["occurred_at"].to_numpy()
        later = moved[who] & (at >= last[who])
        kept = at >= first[who]
        if self.learning_days:
            learnt = (at - first[who]) / (self.learning_days * DAY_MS)
            kept &= scene.days_kept(usage, 0.5 + 0.5 * learnt)
        place = usage.schema.get_field_index("user_id")
        ids = pc.if_else(pa.array(later), pc.binary_join_element_wise(usage["user_id"], ".new", ""), usage["user_id"])
        usage = usage.set_column(place, usage.schema.field(place), ids)
        return replace(scene.stream, usage=usage.filter(pa.array(kept | ~later)))


def as_it_is(scene: Scene) -> SimulatedStream:
    """Nothing happens."""
    return scene.stream


def away(left: float, days: float) -> Change:
    """So much is left of everybody's days, for so many."""

    def change(scene: Scene) -> SimulatedStream:
        usage = scene.without(scene.stream.usage, scene.at_ms(), scene.at_ms(days), left)
        return replace(scene.stream, usage=usage)

    return change


def of_feed(kind: str, begins_ms: int, lasts_ms: int) -> Change:
    """What happens to the usage feed, or to everybody."""

    def change(scene: Scene) -> SimulatedStream:
        first_ms = scene.at_ms() + begins_ms
        incident = Incident(kind, None, CHANGE_DAY, first_ms, first_ms + lasts_ms, 0.5)
        usage = as_arrived(scene.stream.usage, [incident], scene.settings.start_ms, scene.rng)
        return replace(scene.stream, usage=usage)

    return change


def ended(scene: Scene) -> SimulatedStream:
    """All subscriptions are cancelled, and nothing more comes after their end."""
    stream, end_ms = scene.stream, scene.at_ms(NOTICE_DAYS)
    begun = stream.billing.filter(pc.equal(stream.billing["type"], "subscription_started"))
    cancelled = [
        {name: row[name] for name in ("account_id", "subscription_id", "currency")}
        | {
            "event_id": f"end-{row['account_id']}",
            "type": "subscription_cancelled",
            "occurred_at": scene.at_ms(),
            "mrr_minor_before": row["mrr_minor_after"],
            "mrr_minor_after": 0,
            "due_at": end_ms,
        }
        for row in begun.to_pylist()
        if row["account_id"] in scene.accounts
    ]
    tables = {
        name: scene.without(getattr(stream, name), end_ms, scene.settings.end_ms)
        for name in ("usage", "billing", "tickets", "signals")
    }
    billing = pa.concat_tables([tables.pop("billing"), pa.Table.from_pylist(cancelled, schema=BILLING)])
    return replace(stream, billing=billing.sort_by("occurred_at"), **tables)


def for_tests(scene: Scene) -> SimulatedStream:
    """They are accounts for tests."""
    return replace(scene.stream, profiles=_with_status(scene, "test", scene.settings.start_ms))


def paused(scene: Scene) -> SimulatedStream:
    """They pause, and nobody comes until they go on."""
    scene_ = replace(scene, stream=replace(scene.stream, profiles=_with_status(scene, "paused", scene.at_ms())))
    again = _with_status(scene_, "active", scene.at_ms(PAUSE_DAYS))
    usage = scene.without(scene.stream.usage, scene.at_ms(), scene.at_ms(PAUSE_DAYS))
    return replace(scene.stream, profiles=again, usage=usage)


def _with_status(scene: Scene, status: str, from_ms: int) -> pa.Table:
    """The profiles, the status told once more at a time and said by all later ones."""
    rows = scene.stream.profiles.to_pylist()
    own = [row for row in rows if row["account_id"] in scene.accounts]
    latest = {row["account_id"]: row for row in own if row["updated_at"] < from_ms}
    later = [row | {"status": status} for row in own if row["updated_at"] >= from_ms]
    told_ = [row | {"status": status, "updated_at": from_ms} for row in latest.values()]
    rest = [row for row in rows if row["account_id"] not in scene.accounts or row["updated_at"] < from_ms]
    rows = sorted([*rest, *told_, *later], key=lambda row: row["updated_at"])
    return pa.Table.from_pylist(rows, schema=PROFILES)


NAMED = ("champion_silent", "sponsor_silent", "power_user_silent", "renewal_at_risk", "health_changed")
"""Kinds that say rightly that somebody important has left, and what follows from it."""


@dataclass(frozen=True, slots=True)
class World:
    """What happens, and to how many."""

    name: str
    change: Change
    alarmed: float | None
    """Share of the accounts that may have an alert caused by it; None where some of what is told is right."""
    share: float = 0.25
    """Of the accounts to which it happens."""
    rightly: tuple[str, ...] = ()
    """Kinds that alarm nobody wrongly."""
    from_day: int = CHANGE_DAY
    """Of the stream, from which what is told counts."""
    days: int = WATCHED_DAYS
    tells: int = 0
    """Alerts of the fleet that tell of what happens to everybody."""


def of_everybody(name: str, change: Change, tells: int) -> World:
    """What happens to the whole fleet."""
    return World(name, change, 0.05, 1.0, tells=tells)


RENAMED, REPLACED = "new ids of", "replaced by others"
CALM = (
    World("calm, the first four months", as_it_is, None, 1.0, from_day=0, days=CHANGE_DAY),
    World("calm", as_it_is, None, 1.0),
)
EVERYWHERE = of_everybody(f"{RENAMED} everybody in the whole fleet", NewIds(1.0, 0.0), 1)
ENDED = CHANGE_DAY + NOTICE_DAYS + 1
WORLDS = (
    *CALM,
    World(f"{RENAMED} everybody, at once", NewIds(1.0, 0.0), 0.05),
    World(f"{RENAMED} half of them, at once", NewIds(0.5, 0.0), 0.05),
    World(f"{RENAMED} 30 %, at once", NewIds(0.3, 0.0), 0.05),
    World(f"{RENAMED} everybody, within a month", NewIds(1.0, 30.0), 0.05),
    World(f"{RENAMED} half of them, within a month", NewIds(0.5, 30.0), 0.05),
    EVERYWHERE,
    World(f"a quarter {REPLACED}, each within a week", NewIds(0.25, 30.0, 7.0), 0.12, rightly=NAMED),
    World(f"everybody {REPLACED} within two months", NewIds(1.0, 60.0, 7.0), 0.12, rightly=NAMED),
    World(
        f"everybody {REPLACED} within two months, who learn for four weeks",
        NewIds(1.0, 60.0, 7.0, 28.0),
        None,
        rightly=NAMED,
    ),
    World("holiday: nobody for two days", away(0.0, 2.0), 0.05),
    World("holiday: nobody for a week", away(0.0, 7.0), None),
    World("holiday: half of the days for two weeks", away(0.5, 14.0), None),
    of_everybody("dip of the fleet for four days", of_feed("release_dip", 0, 4 * DAY_MS), 1),
    of_everybody("outage of the feed for a day and a half", of_feed("feed_outage", 0, 36 * HOUR_MS), 1),
    of_everybody("events late by up to two days", of_feed("late_data", 0, 0), 0),
    of_everybody("a day sent again", of_feed("duplicates_replay", 34 * HOUR_MS, HOUR_MS), 0),
    World("paused for six weeks", paused, 0.05),
    World("ended", ended, 0.0, from_day=ENDED, days=CHANGE_DAY + WATCHED_DAYS - ENDED),
    World("for tests", for_tests, 0.0, from_day=0, days=CHANGE_DAY + WATCHED_DAYS),
)
