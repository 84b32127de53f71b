"""What a partition tells the others about a closed day: how its accounts did against what was expected of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from math import sqrt
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.terms.arrays import F64, I64, U64

Part = TypeVar("Part")
SCOPES = 32
"""Segments told apart; the names that come first in order, whatever the partitioning."""
USUAL = 50
"""Bucket of accounts that do as expected."""
BUCKETS = 2 * USUAL + 1
MIN_INFORMATION = 4.0
"""Expected actions of the day over their dispersion, below which an account's day says too little."""
MAX_ALARMED = 10_000
# No simple ratio lies on a bucket's bound, and no simple figure between two thousandths, where rounding would decide.
_BUCKET_SHIFT = 0.4
_ROUND_SHIFT = 0.4567


@dataclass(frozen=True, slots=True)
class Tally:
    """Accounts of a scope on one day: how many by bucket, and their actions in thousandths."""

    counts: tuple[int, ...]
    """Accounts whose observed over expected actions are about a fiftieth of the bucket's number; the last: or more."""
    actions: int
    expected: int
    weeks: tuple[int, ...] = (0,) * BUCKETS
    """The same accounts by their week that ends with the day."""

    @property
    def accounts(self) -> int:
        """How many were counted."""
        return sum(self.counts)

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        counts, weeks = (
            tuple(a + b for a, b in zip(mine, theirs, strict=True))
            for mine, theirs in ((self.counts, other.counts), (self.weeks, other.weeks))
        )
        return Tally(counts, self.actions + other.actions, self.expected + other.expected, weeks)

    @property
    def median(self) -> int:
        """The lower median bucket of the day."""
        return median_bucket(self.counts)


@dataclass(frozen=True, slots=True)
class Ranked:
    """What became of a ranked kind on one day."""

    accounts: int = 0
    """Who could have been alarmed."""
    opened: int = 0
    lasted: int = 0
    """Alarms of a quarter ago that still hold."""

    def plus(self, other: Ranked) -> Ranked:
        """Both together."""
        return Ranked(self.accounts + other.accounts, self.opened + other.opened, self.lasted + other.lasted)


@dataclass(frozen=True, slots=True)
class FleetDay:
    """One partition's closed day. The days from `since` to before `day` had no account awake."""

    partition: int
    since: int
    day: int
    tallies: Mapping[str | None, Tally] = field(default_factory=dict)
    """By segment; None for all accounts together."""
    alarmed: tuple[int, ...] = ()
    """Hashes of accounts with an open alert on their usage, ascending."""
    renamed: int = 0
    peopled: int = 0
    """Accounts whose people go on under other ids, of so many that have enough people to tell."""
    ranked: Mapping[str, Ranked] = field(default_factory=dict)
    """By kind."""
    levels: Mapping[str | None, tuple[int, ...]] = field(default_factory=dict)
    """By scope: accounts in use for four weeks by the level of their use (`level_buckets`)."""
    components: Mapping[str, int] = field(default_factory=dict)
    """Accounts that opened a ticket about a component, and none in the week before."""
    outcomes: Mapping[int, int] = field(default_factory=dict)
    """Accounts whose outcomes are known since the day, by eight times their cell of then plus bits of what happened."""
    used: int = 0
    """Accounts with use on the day."""
    drifts: tuple[int, ...] = ()
    """Accounts that are used enough to tell by how far their level has wandered (`drift_buckets`)."""

    @property
    def told(self) -> bool:
        """Whether it tells of any account."""
        of_accounts = (self.tallies, self.alarmed, self.peopled, self.ranked, self.levels, self.components)
        return any(bool(each) for each in (*of_accounts, self.outcomes, self.used, self.drifts))


def first_names(names: Set[str | None]) -> list[str]:
    """The segments, or components, that are told apart."""
    return sorted(name for name in names if name is not None)[:SCOPES]


def median_bucket(counts: Sequence[int]) -> int:
    """The lower median bucket."""
    half, seen = sum(counts), 0
    for bucket, count in enumerate(counts):
        seen += count
        if 2 * seen >= half:
            return bucket
    return 0


def buckets(actions: F64, expected: F64) -> I64:
    """Bucket of each account, from its actions and what was expected."""
    bucket = np.floor(USUAL * actions / expected + _BUCKET_SHIFT)
    return np.asarray(np.minimum(bucket, BUCKETS - 1), dtype=np.int64)


LEVELS = 80
"""Buckets of levels of use, four to a doubling: the last begins above half a million actions a week."""


def level_buckets(weekly: F64) -> I64:
    """Bucket of each account's actions a week."""
    return np.minimum(np.floor(4.0 * np.log2(1.0 + weekly)), LEVELS - 1).astype(np.int64)


DRIFTS = 200
"""Buckets of drifts."""
DRIFT_STEP = 2000.0
MEDIAN_DRIFT = 1.8
"""What levels wander by, over that of the median account: the mean over the median of the few degrees of freedom that
eight weeks have (tests/evaluation)."""


def drift_buckets(drift: F64) -> I64:
    """Bucket of each account's drift; of those that did not wander the first."""
    return np.clip(np.floor(DRIFT_STEP * drift + _ROUND_SHIFT), 0, DRIFTS - 1).astype(np.int64)


def sure_drift(counts: Sequence[int]) -> float:
    """By how much levels surely wander, from the accounts by bucket: by the lower bound of their median.

    Of n accounts the one that is √n below the middle is two standard deviations below the median.
    """
    accounts = sum(counts)
    rank, bucket = int(max(0.0, accounts / 2.0 - sqrt(accounts))), 0
    while sum(counts[: bucket + 1]) <= rank:
        bucket += 1
    return MEDIAN_DRIFT * bucket / DRIFT_STEP


def rank(counts: Sequence[int], bucket: int) -> float:
    """Share of the accounts below those in a bucket, of these half."""
    return (sum(counts[:bucket]) + counts[bucket] / 2.0) / sum(counts)


def by_scope(counts: I64, names: Sequence[str | None], part: Callable[[slice], Part]) -> dict[str | None, Part]:
    """A part of all rows of counts, and of each named segment that is told apart; nothing when nobody was counted."""
    present = np.flatnonzero(counts.any(axis=1)).tolist()
    if not present:
        return {}
    chosen = set(first_names({names[number] for number in present}))
    found = {names[number]: part(slice(number, number + 1)) for number in present if names[number] in chosen}
    return {None: part(slice(None)), **found}


class DayCount:
    """Counts the accounts of one partition, block by block."""

    def __init__(self, segments: int) -> None:
        self._counts = np.zeros((segments, BUCKETS), dtype=np.int64)
        self._weeks = np.zeros((segments, BUCKETS), dtype=np.int64)
        self._actions = np.zeros(segments, dtype=np.int64)
        self._expected = np.zeros(segments, dtype=np.int64)

    def add(self, segment: npt.NDArray[np.integer], actions: I64, expected: F64, week: F64, expected_week: F64) -> None:
        """Count accounts, each with the number of its segment, its actions in thousandths and what was expected.

        `week`: the actions of the seven days that end with the day, not in thousandths.
        """
        np.add.at(self._counts, (segment, buckets(actions / 1000.0, expected)), 1)
        np.add.at(self._weeks, (segment, buckets(week, expected_week)), 1)
        np.add.at(self._actions, segment, actions)
        np.add.at(self._expected, segment, np.floor(1000.0 * expected + _ROUND_SHIFT).astype(np.int64))

    def tallies(self, names: list[str | None]) -> dict[str | None, Tally]:
        """By segment; nothing when no account was counted."""
        return by_scope(self._counts, names, self._tally)

    def _tally(self, rows: slice) -> Tally:
        return Tally(
            tuple(self._counts[rows].sum(axis=0).tolist()),
            int(self._actions[rows].sum()),
            int(self._expected[rows].sum()),
            tuple(self._weeks[rows].sum(axis=0).tolist()),
        )


def smallest(hashes: U64) -> tuple[int, ...]:
    """The bounded list of alarmed accounts."""
    return tuple(np.sort(hashes)[:MAX_ALARMED].tolist())
