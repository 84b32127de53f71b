"""Ids that go on for others: users as people."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Id:
    """A user id in sight."""

    name: str
    days: tuple[int, ...]
    """Active ones, in order."""
    day: int
    """As of which."""
    order: int

    @property
    def rate_before(self) -> float:
        """Active share of its last 28 days."""
        first = max(self.days[0], self.days[-1] - 27)
        return sum(x >= first for x in self.days) / (self.days[-1] - first + 1)

    @property
    def missed(self) -> float:
        """Days on which it would have come since."""
        return self.rate_before * (self.day - self.days[-1])

    @property
    def rate_since(self) -> float:
        """Active share of its first 28 days, so far; at least of a week."""
        last = min(self.days[0] + 27, self.day)
        return sum(x <= last for x in self.days) / max(7, last - self.days[0] + 1)


@dataclass(frozen=True)
class Succession:
    """A new id that goes on for a former one."""

    former: Id
    new: Id

    @property
    def at_once(self) -> bool:
        """Whether the new id began within a week."""
        return self.new.days[0] - self.former.days[-1] <= 7

    @property
    def alike(self) -> bool:
        """Whether the new id does at least half as much."""
        return 2 * self.new.rate_since >= self.former.rate_before


def successions(users: Mapping[str, set[int]], day: int, order: Callable[[str], int]) -> list[Succession]:
    """Find which ids go on for which, as of a day."""
    ids = []
    for name, active in users.items():
        days = tuple(sorted(x for x in active if day - 110 <= x <= day))
        if days:
            ids.append(Id(name, days, day, order(name)))
    settled = {each for each in ids if each.days[-1] - each.days[0] >= 7}
    former = {each for each in settled if each.missed >= 2}
    new = {each for each in ids if each.days[0] >= day - 103}
    regular_former = {each for each in former if each.rate_before >= 2 / 7}
    regular_new = {each for each in new if each.rate_since >= 2 / 7}
    pairs = _taken(regular_former, regular_new)
    if _many_move(pairs, settled, day):
        former = {each for each in settled if each.days[-1] < day}
    former -= {one for one, _ in pairs}
    new -= {other for _, other in pairs}
    return _by_rate(pairs + _taken(former, new))


def _many_move(pairs: list[tuple[Id, Id]], settled: set[Id], day: int) -> bool:
    """Tell whether a third of those who come regularly have moved within four weeks."""
    moved = sum(other.days[0] > day - 28 for _, other in pairs)
    in_pairs = {each for pair in pairs for each in pair}
    stayed = [each for each in settled - in_pairs if each.rate_before >= 2 / 7 and each.days[-1] > day - 28]
    return moved >= 2 and moved >= 1 / 3 * (moved + len(stayed))


def _taken(former: set[Id], new: set[Id]) -> list[tuple[Id, Id]]:
    """Let each new id take the last of the former ones that are left."""
    left, pairs = set(former), []
    for each in sorted(new, key=lambda each: (each.days[0], each.order)):
        before = [one for one in left if one.days[-1] <= each.days[0]]
        if before:
            last = max(before, key=lambda one: (one.days[-1], one.order))
            left.remove(last)
            if each.days[0] - last.days[-1] <= 27:
                pairs.append((last, each))
    return pairs


def _by_rate(pairs: list[tuple[Id, Id]]) -> list[Succession]:
    """Pair anew, by their rates, those that one change lies between."""
    found = []
    while pairs:
        change = min(other.days[0] for _, other in pairs)
        around = [pair for pair in pairs if pair[0].days[-1] <= change]
        pairs = [pair for pair in pairs if pair not in around]
        former = sorted((one for one, _ in around), key=lambda one: (one.rate_before, one.order))
        new = sorted((other for _, other in around), key=lambda other: (other.rate_since, other.order))
        found += [Succession(*pair) for pair in zip(former, new, strict=True)]
    return found


def people(users: Mapping[str, set[int]], pairs: list[Succession]) -> dict[str, set[int]]:
    """Read the days of ids that go on for each other together, under the first of them."""
    before = {pair.new.name: pair.former.name for pair in pairs}
    found: dict[str, set[int]] = defaultdict(set)
    for name, active in users.items():
        first = name
        while first in before:
            first = before[first]
        found[first] |= active
    return dict(found)
