"""The view of the whole fleet, the same in every partition: merged day by day from the records of all partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import sqrt
from operator import add
from typing import TypeVar

import msgspec

from pipeline.fleet.bars import Bars
from pipeline.fleet.outlook import Outlook, SavedOutlook
from pipeline.terms.fleet_day import USUAL, FleetDay, Ranked, Tally, first_names, sure_drift

Name = TypeVar("Name")
Part = TypeVar("Part")
KEPT_DAYS = 96
USUAL_DAYS = 28
MIN_USUAL_DAYS = 7
LEAST_BAND = 0.1
BAND = 0.45
"""How far a day of the fewest accounts must be below the usual; of more, less by the root of their number."""
COMPONENT_DAYS = 35
"""A week of tickets, and the four before it."""
LONG_DIP_DAYS = 14
"""A dip of more days within four weeks is the new habit: it enters baselines."""
SEASON_DAYS = 98
"""Looked back on for a day on which many come: a quarter and a week."""
QUIET_SHARE = 0.1
"""Of the most accounts that came on a day, below which nobody is taken to have come: some always straggle."""
QUIET_DAYS = 400
"""For which quiet days are remembered: as long as anything looks back."""


_UNKNOWN = 255


@dataclass(slots=True)
class Ring:
    """The last days of one scope."""

    medians: dict[int, int] = field(default_factory=dict)
    """Bucket of the median account, for days with enough accounts."""
    dips: dict[int, float] = field(default_factory=dict)
    """Factor of the days on which it was below 1."""

    def forget_before(self, day: int) -> None:
        """Drop older days."""
        for days in (self.medians, self.dips):
            for old in [known for known in days if known < day]:
                del days[old]

    def usual(self, day: int) -> int:
        """What the median account's bucket usually is, as of a day; never above `USUAL`."""
        known = sorted(
            bucket for x, bucket in self.medians.items() if day - USUAL_DAYS <= x < day and x not in self.dips
        )
        if len(known) < MIN_USUAL_DAYS:
            return USUAL
        return min(USUAL, max(1, known[(len(known) - 1) // 2]))

    def add(self, day: int, tally: Tally, min_accounts: int) -> None:
        """Take a day of enough accounts."""
        median, usual = tally.median, self.usual(day)
        self.medians[day] = median
        if median / usual < 1.0 - max(LEAST_BAND, BAND * sqrt(min_accounts / tally.accounts)):
            self.dips[day] = median / usual


@dataclass(frozen=True, slots=True)
class MergedDay:
    """A day of the whole fleet, once all partitions have told of it."""

    day: int
    tallies: dict[str | None, Tally]
    """Of scopes with enough accounts."""
    renamed: int = 0
    peopled: int = 0
    """Accounts whose people go on under other ids, of so many that have enough people to tell."""


class SavedRing(msgspec.Struct, array_like=True):
    """A scope's last days as stored."""

    scope: str | None
    medians: bytes
    """The last `KEPT_DAYS` days, the newest last; `_UNKNOWN` where there is none."""
    dips: dict[int, float]


class SavedFleet(msgspec.Struct, array_like=True):
    """What a partition must remember of merged days; the records of later ones are read again."""

    through: int = -1
    rings: list[SavedRing] = []
    alarmed: list[int] = []
    weeks: list[tuple[str | None, list[int]]] = []
    begun: bool = True
    bars: dict[str, float] = {}
    levels: list[tuple[str | None, list[int]]] = []
    components: dict[str, dict[int, int]] = {}
    outlook: SavedOutlook = msgspec.field(default_factory=SavedOutlook)
    used: dict[int, int] = {}
    quiet: list[int] = []
    drift: float = 0.0


class Fleet:
    """Records of all partitions, merged in order of days.

    The first record of a partition and day counts: a restart after a torn checkpoint may send another one, but the
    first was made from whole state and was durable before that state.
    """

    def __init__(self, partitions: int, min_accounts: int, ranked_rate: float = 1.0) -> None:
        """`ranked_rate`: false alarms asked for of a ranked kind, by account and day."""
        self.partitions = partitions
        self.min_accounts = min_accounts
        self.bars = Bars(ranked_rate)
        self.outlook = Outlook()
        self.through = -1
        """The last day merged."""
        self.begun = False
        """Whether anything was told of a day that is merged."""
        self.rings: dict[str | None, Ring] = {}
        self.alarmed: frozenset[int] = frozenset()
        """Hashes of the accounts with an open alert on their usage on the last day merged."""
        self.weeks: dict[str | None, tuple[int, ...]] = {}
        """Of scopes with enough accounts on the last day merged: accounts by bucket of their week."""
        self.levels: dict[str | None, tuple[int, ...]] = {}
        """Of scopes with enough accounts in use on the last day merged: accounts by level of use."""
        self.components: dict[str, dict[int, int]] = {}
        """By component: accounts with new tickets about it, by day."""
        self.used: dict[int, int] = {}
        """Accounts with use, of the last days merged."""
        self.quiet: set[int] = set()
        """Days with which a week ended in which hardly anybody came."""
        self.drift = 0.0
        """Variance of a week's change of the logarithm of levels, as they wander."""
        self._waiting: dict[int, dict[int, FleetDay]] = {}
        self._final: dict[int, int] = {}
        self._ahead: dict[int, dict[tuple[int, int], FleetDay]] = {}

    @property
    def newest(self) -> int:
        """The last day of which any partition has told; −1 before."""
        return max(self._final.values(), default=-1)

    def save(self) -> SavedFleet:
        """What is to be stored."""
        days = range(self.through - KEPT_DAYS + 1, self.through + 1)
        rings = [
            SavedRing(scope, bytes(ring.medians.get(day, _UNKNOWN) for day in days), dict(ring.dips))
            for scope, ring in self.rings.items()
        ]
        weeks = [(scope, list(counts)) for scope, counts in self.weeks.items()]
        levels = [(scope, list(counts)) for scope, counts in self.levels.items()]
        figures = (dict(self.bars.values), levels, self.components, self.outlook.save())
        feeds = (self.used, sorted(self.quiet), self.drift)
        return SavedFleet(self.through, rings, sorted(self.alarmed), weeks, self.begun, *figures, *feeds)

    def restore(self, saved: SavedFleet) -> None:
        """Go on from what was stored."""
        self.through, self.begun, self.alarmed = saved.through, saved.begun, frozenset(saved.alarmed)
        self.weeks = {scope: tuple(counts) for scope, counts in saved.weeks}
        self.bars.values.update(saved.bars)
        self.levels = {scope: tuple(counts) for scope, counts in saved.levels}
        self.components = saved.components
        self.outlook.restore(saved.outlook)
        self.used, self.quiet, self.drift = saved.used, set(saved.quiet), saved.drift
        for ring in saved.rings:
            first = saved.through - len(ring.medians) + 1
            medians = {first + back: median for back, median in enumerate(ring.medians) if median != _UNKNOWN}
            self.rings[ring.scope] = Ring(medians, ring.dips)

    def take(self, record: FleetDay) -> None:
        """Keep a record until its day is merged; what is known already is ignored."""
        number = record.partition
        if not 0 <= number < self.partitions:
            return
        # Retention may have removed what came before the first one in the log.
        final = self._final.setdefault(number, max(self.through, record.since - 1))
        if record.since > final + 1:
            self._ahead.setdefault(number, {}).setdefault((record.since, record.day), record)
            return
        if record.day > final:
            self._final[number] = record.day
            if record.told:
                self._waiting.setdefault(record.day, {})[number] = record
            for ahead in self._ahead.pop(number, {}).values():
                self.take(ahead)

    def merge_through(self, day: int) -> Iterator[MergedDay]:
        """Merge the days up to this one of which all partitions have told."""
        if len(self._final) < self.partitions:
            return
        until = min(day, *self._final.values())
        while self.through < until:
            if not self.begun:
                # Nothing is known of the days before the first record, and nothing was told of them.
                silent_until = min(until, min(self._waiting, default=until + 1) - 1)
                if silent_until > self.through:
                    self.through, self.alarmed, self.weeks, self.levels = silent_until, frozenset(), {}, {}
                    continue
            yield self._merge(self.through + 1)

    def _merge(self, day: int) -> MergedDay:
        self.through, self.begun = day, True
        records = self._waiting.pop(day, {}).values()
        tallies = merged(records)
        enough = {scope: tally for scope, tally in tallies.items() if tally.accounts >= self.min_accounts}
        self.weeks = {scope: tally.weeks for scope, tally in enough.items()}
        for scope, tally in enough.items():
            self.rings.setdefault(scope, Ring()).add(day, tally, self.min_accounts)
        for scope, ring in list(self.rings.items()):
            ring.forget_before(day - KEPT_DAYS + 1)
            if not ring.medians:
                del self.rings[scope]
        self.alarmed = frozenset().union(*(record.alarmed for record in records))
        self._add_components(day, records)
        self.used = {x: used for x, used in self.used.items() if x > day - SEASON_DAYS}
        self.used[day] = sum(record.used for record in records)
        self.quiet = {x for x in self.quiet if x > day - QUIET_DAYS} | ({day} if self.is_quiet(day) else set())
        renamed, peopled = (sum(getattr(record, name) for record in records) for name in ("renamed", "peopled"))
        self.bars.advance(_together((record.ranked for record in records), Ranked.plus))
        self.outlook.advance(day, _together((record.outcomes for record in records), add))
        self.levels = {s: counts for s, counts in _levels(records).items() if sum(counts) >= self.min_accounts}
        drifts = [sum(counts) for counts in zip(*(record.drifts for record in records if record.drifts), strict=True)]
        if sum(drifts) >= self.min_accounts:
            self.drift = sure_drift(drifts)
        return MergedDay(day, enough, renamed, peopled)

    def _add_components(self, day: int, records: Iterable[FleetDay]) -> None:
        found: dict[str, int] = _together((record.components for record in records), add)
        for name in first_names(found.keys()):
            self.components.setdefault(name, {})[day] = found[name]
        kept = {
            name: {x: count for x, count in days.items() if x > day - COMPONENT_DAYS}
            for name, days in self.components.items()
        }
        self.components = {name: days for name, days in kept.items() if days}

    def ticketed(self, component: str) -> tuple[int, float] | None:
        """Accounts with new tickets about a component in the last week merged, and in a usual one; none if not known.

        A usual week is the mean of the four before; it is known when any component was told of in the first of them.
        """
        week = self.through - 6
        if min((min(days) for days in self.components.values()), default=week) > week - 22:
            return None
        days = self.components.get(component, {})
        return sum(n for x, n in days.items() if x >= week), sum(n for x, n in days.items() if x < week) / 4.0

    def is_quiet(self, day: int) -> bool:
        """Whether hardly anybody came in the week that ends with a day, as the feed is used to.

        Of a day that is not merged yet nobody is taken to have come.
        """
        if day <= self.through - 1:
            return day in self.quiet
        most = max((used for x, used in self.used.items() if x > day - SEASON_DAYS), default=0)
        week = (self.used.get(x, 0) for x in range(day - 6, day + 1))
        return most >= self.min_accounts and all(used < QUIET_SHARE * most for used in week)

    def factor(self, scope: str | None, day: int) -> float:
        """What the fleet left of expected values on a day: the segment's own factor, else that of all accounts."""
        for name in (scope, None):
            ring = self.rings.get(name)
            if ring is not None and day in ring.medians:
                return ring.dips.get(day, 1.0)
        return 1.0


def merged(records: Iterable[FleetDay]) -> dict[str | None, Tally]:
    """All partitions together; of segments, those that are told apart."""
    return _told_apart(_together((record.tallies for record in records), Tally.plus))


def _levels(records: Iterable[FleetDay]) -> dict[str | None, tuple[int, ...]]:
    """The same of levels of use."""
    return _told_apart(_together((record.levels for record in records), lambda one, other: tuple(map(add, one, other))))


def _together(parts: Iterable[Mapping[Name, Part]], plus: Callable[[Part, Part], Part]) -> dict[Name, Part]:
    """What partitions tell under the same names, added up."""
    found: dict[Name, Part] = {}
    for part in parts:
        for name, told in part.items():
            found[name] = plus(found[name], told) if name in found else told
    return found


def _told_apart(found: Mapping[str | None, Part]) -> dict[str | None, Part]:
    """All accounts together, and the first segments."""
    return {scope: found[scope] for scope in (None, *first_names(found.keys())) if scope in found}
