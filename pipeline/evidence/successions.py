"""Users as people: ids that go on for others, where people get new ids or are replaced.

An id that is seen first on or after the day on which another, which is gone by its own rhythm, was seen last may go on
for it. Each takes, of those before it, the one seen last; who comes regularly, of those who did. Where one day lies
between the last and the first days of several pairs, they change at once, and the most active of the new ids goes on
for the most active of the former ones, and so on. The days of such ids are read together. That hides no decline: who
does less under the new id has fewer days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.evidence.gaps import bit_length
from pipeline.evidence.share import Owners
from pipeline.state.members import last_days
from pipeline.state.users import Users
from pipeline.terms.arrays import F64, I32, I64, U64, Bools

SIGHT_DAYS = 111
"""Days that are looked at: as far back as anything that counts people."""
SETTLED_DAYS = 7
"""From an id's first day to its last, for another to go on for it."""
MAX_GAP_DAYS = 27
"""From the last day of an id to the first of the one that goes on for it."""
RHYTHM_DAYS = 28
"""Of which the active ones tell how active an id is: the last of the former id, the first of the new one."""
REGULAR_RATE = 2 / 7
"""Of these days, from which on somebody comes regularly."""
MIN_MOVING, MOVING_SHARE = 2, 1 / 3
"""Of those who come regularly, who have moved lately, for others to be gone who are not surely so."""
GONE_MISSED = 2.0
"""Days on which an id would have come: then it is taken to be gone."""
SURE_MISSED, SURE_DAYS = 4.0, 4
"""The same, and days since the new one came: then it is surely left."""
_FAR = SIGHT_DAYS - 64
_ONE = np.uint64(1)


@dataclass(frozen=True, slots=True)
class Successions:
    """Pairs of ids, one entry each; an id is the former one of at most one pair, and the new one of at most one."""

    former: I64
    new: I64
    """Places of users."""
    ended: I64
    began: I64
    """Last day of the former id, first day of the new one."""
    before: F64
    since: F64
    """Active share of the last 28 days of the former id, of the first of the new one."""

    @property
    def alike(self) -> Bools:
        """Whether the new id does at least half as much."""
        return 2.0 * self.since >= self.before

    @property
    def at_once(self) -> Bools:
        """Whether it began within a week."""
        return self.began - self.ended <= SETTLED_DAYS


@dataclass(frozen=True, slots=True)
class _Ids:
    """Users, one entry each, as of a day."""

    place: I64
    owner: I64
    far: U64
    near: U64
    """Days in sight: the last 64, and those before."""
    first: I64
    last: I64
    """Active ones; days in sight are numbered from 0."""

    def of(self, chosen: Bools) -> _Ids:
        """Some of them."""
        return _Ids(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})

    def rate_before(self) -> F64:
        """Share of active days of each in the 28 that end with its last one, as far as it was seen before."""
        return self._rate(np.maximum(self.first, self.last - RHYTHM_DAYS + 1), self.last)

    def missed(self) -> F64:
        """Days on which each would have come since its last one."""
        return self.rate_before() * (SIGHT_DAYS - 1 - self.last)

    def rate_since(self) -> F64:
        """The same of the 28 that begin with its first one, as far as they have passed, and of a week at least."""
        return self._rate(self.first, np.minimum(self.first + RHYTHM_DAYS, SIGHT_DAYS) - 1)

    def _rate(self, start: I64, last: I64) -> F64:
        low, high = start.astype(np.uint64), np.maximum(start - _FAR, 0).astype(np.uint64)
        across = np.maximum(_FAR - start, 0).astype(np.uint64)
        window = np.where(start < _FAR, (self.far >> low) | (self.near << across), self.near >> high)
        days = last - start + 1
        active = np.bitwise_count(window & ((_ONE << days.astype(np.uint64)) - _ONE))
        return np.asarray(active / np.maximum(days, 7))


def _in_sight(users: Users, places: I64, day: int) -> _Ids:
    """Those of the users who were active in sight."""
    bits = users.bits[places]
    near, far = last_days(bits, day, 64), last_days(bits, day - 64, _FAR)
    seen = (near | far) != 0
    near, far, places = near[seen], far[seen], places[seen]
    first = _first(near, far)
    last = np.where(near != 0, _FAR - 1 + bit_length(near), bit_length(far) - 1)
    return _Ids(places, users.owner[places].astype(np.int64), far, near, first, last)


def _first(near: U64, far: U64) -> I64:
    """The first active day in sight."""
    return np.where(far != 0, _lowest_bit(far), _FAR + _lowest_bit(near))


def _lowest_bit(words: U64) -> I64:
    """Number of the lowest bit that is set, from 0."""
    return np.bitwise_count((words & (~words + _ONE)) - _ONE).astype(np.int64)


def successions(users: Users, places: slice | I32, day: int) -> Successions:
    """Which of the users at some places, which are all of their accounts, go on for which as of a day."""
    chosen = np.arange(users.size)[places] if isinstance(places, slice) else places.astype(np.int64)
    concerned = _perhaps(users, places, day)
    ids = _in_sight(users, chosen[concerned[users.owner[places]]], day)
    return _matched(users, ids.of(ids.last - ids.first >= SETTLED_DAYS), ids.of(ids.first >= SETTLED_DAYS), day)


def _perhaps(users: Users, places: slice | I32, day: int) -> Bools:
    """Accounts in which an id begins after another one has ended; no others need to be looked at."""
    bits, owner, last_day = users.bits[places], users.owner[places], users.last_day[places]
    first_day = day - SIGHT_DAYS + 1
    early = last_days(bits, first_day + SETTLED_DAYS - 1, SETTLED_DAYS) != 0
    newer = np.flatnonzero(~early & (last_day >= first_day))
    near, far = last_days(bits[newer], day, 64), last_days(bits[newer], day - 64, _FAR)
    begins = np.full(int(users.owner.max()) + 1, -1, dtype=np.int64)
    seen = (near | far) != 0
    np.maximum.at(begins, owner[newer[seen]], first_day + _first(near[seen], far[seen]))
    # Who has been active since is left to be looked at.
    ended = (last_day > day) | ((last_day <= day - GONE_MISSED) & (last_day <= begins[owner]))
    found = np.zeros(len(begins), dtype=np.bool_)
    found[owner[ended & (last_day >= first_day)]] = True
    found &= begins >= 0
    found[0] = False
    return found


def _matched(users: Users, former: _Ids, new: _Ids, day: int) -> Successions:
    """Pairs of former and new ids; those who come regularly are for each other first."""
    place, owner, when = (
        np.concatenate([getattr(former, name), getattr(new, other)])
        for name, other in (("place", "place"), ("owner", "owner"), ("last", "first"))
    )
    is_new = np.arange(len(place)) >= len(former.place)
    rate = np.concatenate([former.rate_before(), new.rate_since()])
    gone = np.append(former.missed() >= GONE_MISSED, np.ones(len(new.place), dtype=np.bool_))
    # By account and day; on one day the former ids come first.
    events = _Events(owner, when, is_new, (owner * SIGHT_DAYS + when) * 2 + is_new, users.hashes[place])
    regular = rate >= REGULAR_RATE
    first = events.pairs(regular & gone)
    in_pairs = np.concatenate(first)
    lately = first[0][when[first[1]] >= SIGHT_DAYS - RHYTHM_DAYS]
    here = np.flatnonzero(regular & ~is_new & (when >= SIGHT_DAYS - RHYTHM_DAYS))
    moving = _moving(owner, lately, here[~np.isin(place[here], place[in_pairs])])
    gone |= moving[owner] & (when < SIGHT_DAYS - 1)
    gone[in_pairs] = False
    second = events.pairs(gone)
    one, other = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    change = owner[one] * SIGHT_DAYS + _changes(owner[one], when[one], when[other])
    one = one[np.lexsort((events.hashes[one], rate[one], change))]
    other = other[np.lexsort((events.hashes[other], rate[other], change))]
    first_day = day - SIGHT_DAYS + 1
    return Successions(place[one], place[other], first_day + when[one], first_day + when[other], rate[one], rate[other])


@dataclass(frozen=True, slots=True)
class _Events:
    """Ends of former ids and beginnings of new ones."""

    owner: I64
    when: I64
    is_new: Bools
    order: I64
    """Of the ends and beginnings of all accounts."""
    hashes: U64

    def pairs(self, chosen: Bools) -> tuple[I64, I64]:
        """Pairs of the chosen ones: each new id, in order, takes the last of the former ones that is not taken."""
        events = np.flatnonzero(chosen)
        events = events[np.lexsort((self.hashes[events], self.order[events]))]
        first, second = _brackets(self.owner[events], self.is_new[events])
        one, other = events[first], events[second]
        near = self.when[other] - self.when[one] <= MAX_GAP_DAYS
        return one[near], other[near]


def _moving(owner: I64, pairs: I64, others: I64) -> Bools:
    """Accounts in which a third of those who come regularly has moved lately: there others may move too."""
    size = int(owner.max(initial=0)) + 1
    moved, stayed = (np.bincount(owner[chosen], minlength=size) for chosen in (pairs, others))
    return np.asarray((moved >= MIN_MOVING) & (moved >= MOVING_SHARE * (moved + stayed)))


def _brackets(owner: I64, closing: Bools) -> tuple[I64, I64]:
    """Places of matching brackets, in a row of them for each owner; what has no match is left out."""
    if not len(owner):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    starts = np.append(True, owner[1:] != owner[:-1])
    number = np.cumsum(starts) - 1
    total = np.cumsum(np.where(closing, -1, 1))
    depth = total - np.append(0, total)[np.flatnonzero(starts)][number]
    # The lowest so far of each owner, whose values are put below those of all owners before.
    below = (2 * len(owner) + 2) * number
    lowest = np.minimum(np.minimum.accumulate(depth - below) + below, 0)
    alone = closing & (lowest < np.where(starts, 0, np.append(0, lowest[:-1])))
    # Of one owner and depth an opening one is followed by its match.
    level = depth - lowest + closing + number * (len(owner) + 1)
    order = np.flatnonzero(~alone)
    order = order[np.argsort(level[order], kind="stable")]
    one, other = order[:-1], order[1:]
    match = ~closing[one] & closing[other] & (level[one] == level[other])
    return one[match], other[match]


def _changes(owner: I64, ended: I64, began: I64) -> I64:
    """The day of the change that each pair belongs to.

    It is the earliest on which an id begins of all pairs of the account that lie around no earlier change.
    """
    change, left = np.zeros(len(owner), dtype=np.int64), np.arange(len(owner))
    earliest = np.empty(int(owner.max(initial=0)) + 1, dtype=np.int64)
    while len(left):
        earliest[owner[left]] = SIGHT_DAYS
        np.minimum.at(earliest, owner[left], began[left])
        day = earliest[owner[left]]
        around = ended[left] <= day
        change[left[around]] = day[around]
        left = left[~around]
    return change


@dataclass(frozen=True, slots=True)
class Moves:
    """People who go on under other ids since at most four weeks and do at least half as much, of each account."""

    sure: I64
    """Who have surely left the former id."""
    likely: I64
    """The same some days before that is sure."""
    any: I64
    """However sure."""

    def part(self, rows: slice) -> Moves:
        """The same for some of the accounts."""
        return Moves(self.sure[rows], self.likely[rows], self.any[rows])


def moves(found: Successions, owners: Owners, accounts: int, day: int) -> Moves:
    """Count pairs by account; `owners` are those of the pairs."""
    missed, age = found.before * (day - found.ended), day - found.began
    lately = found.alike & (age < RHYTHM_DAYS)

    def count(chosen: Bools) -> I64:
        return np.bincount(owners[chosen], minlength=accounts)

    return Moves(
        count(lately & (missed >= SURE_MISSED) & (age >= SURE_DAYS)),
        count(lately & (missed >= GONE_MISSED) & (age >= SURE_DAYS / 2)),
        count(lately),
    )


class People:
    """Users of accounts as of a day, with the days of ids that go on for each other read together."""

    def __init__(self, users: Users, places: slice | I32, day: int) -> None:
        self.users = users
        self.successions = found = successions(users, places, day)
        self._changed, self._days = _joined(users.bits, found)

    def days(self, places: slice | I32) -> U64:
        """Day rings of users: of the first of several ids that go on for each other those of all, of others none."""
        bits = self.users.bits[places]
        if not len(self._changed):
            return bits
        if isinstance(places, slice):
            bits = bits.copy()
            bits[self._changed - places.start] = self._days
            return bits
        at = np.minimum(np.searchsorted(self._changed, places), len(self._changed) - 1)
        found = self._changed[at] == places
        bits[found] = self._days[at[found]]
        return bits

    def latest(self, places: I32 | I64) -> I64:
        """The last of the ids that go on for each other, of which the first stand at some places."""
        order = np.argsort(self.successions.former)
        former, new, found = self.successions.former[order], self.successions.new[order], places.astype(np.int64)
        while len(former):
            at = np.minimum(np.searchsorted(former, found), len(former) - 1)
            goes_on = former[at] == found
            if not goes_on.any():
                break
            found = np.where(goes_on, new[at], found)
        return found

    def taken_over(self, places: I32) -> Bools:
        """Which of the ids at some places another one goes on for within a week, and does at least half as much."""
        return np.isin(places, self.successions.former[self.successions.at_once & self.successions.alike])

    def moved_about(self, rows: I32, last_day: I64) -> I64:
        """How many people of some accounts have moved to other ids about a day, and do at least half as much there."""
        alike = self.successions.alike
        owner, ended = self.users.owner[self.successions.former[alike]], self.successions.ended[alike]
        order = np.argsort(owner, kind="stable")
        first, until = (np.searchsorted(owner[order], rows, side) for side in ("left", "right"))
        number = until - first
        whose = np.repeat(np.arange(len(rows)), number)
        pairs = order[np.arange(len(whose)) + np.repeat(first - np.cumsum(number) + number, number)]
        near = np.abs(ended[pairs] - last_day[whose]) <= MAX_GAP_DAYS
        return np.bincount(whose[near], minlength=len(rows))


def _joined(bits: U64, found: Successions) -> tuple[I64, U64]:
    """Places of all ids of pairs, in their order, and what their days are to be read as."""
    order = np.argsort(found.new)
    new, head = found.new[order], found.former[order]
    while len(new):
        at = np.minimum(np.searchsorted(new, head), len(new) - 1)
        later = new[at] == head
        if not later.any():
            break
        head = np.where(later, head[at], head)
    changed = np.union1d(new, head)
    days = bits[changed]
    days[np.searchsorted(changed, new)] = 0
    np.bitwise_or.at(days, np.searchsorted(changed, head), bits[new])
    return changed, days
