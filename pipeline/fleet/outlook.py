"""The probabilities of churn, contraction and expansion within a quarter, the same in every partition.

Partitions tell how many accounts of a cell (`fleet/traits.py`) had which outcomes; sums of counts are all that is
learned from. Method: logistic regression on the traits, its weights drawn towards those that are stated, ordered bins
kept in order, learned anew every quarter. What is learned stays in shadow until it has foretold two quarters better
than what is stated, by log loss, and enough has happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from pipeline.fleet.traits import (
    BASES,
    OUTCOMES,
    WEIGHTS,
    alone,
    basis_of,
    bins_of,
    compared,
    in_order,
    log_odds,
    stated,
)
from pipeline.terms.arrays import F64, I64

QUARTER = 91
TAKEN_DAYS = 28
"""Between two cells of an account."""
AGES = (QUARTER, 3 * QUARTER)
"""Days after which the outcomes of a cell are known, by basis: of use, who has left has been silent for half a year."""
KEPT, UNIT, LEAST = 15, 1_000, 10
"""Sixteenths of what was counted that are left a quarter later; thousandths of an account; when those are forgotten."""
QUARTERS = 8
"""Whose misses are remembered."""
SHARE = TAKEN_DAYS / QUARTER
"""What a cell counts, so that an account counts once a quarter."""
LEAST_OUTCOMES = 50
"""Below which what is learned stays in shadow."""
HELD_WEIGHT, HELD_INTERCEPT = 4.0, 0.25
"""How firmly weights and intercept are held to what is stated: as by so much information."""
STEPS, DIGITS = 30, 4
"""Of Newton's method, by which it has settled; what sums leave of other digits must not decide."""
STATED_DOUBT = 0.7
"""Standard deviation in log odds: how far the base rates of companies are apart."""
DRIFT, DRIFT_WEIGHT = 0.35, 100.0
"""What quarters differ by, in log odds, and the information that this is worth beside what was seen."""


class Head(msgspec.Struct, array_like=True):
    """What is learned of one outcome by one basis."""

    fits: list[list[float]] = []
    """Weights as of the ends of quarters, the newest last, as many as it takes for their outcomes to be known."""
    losses: list[tuple[float, float]] = []
    """Log loss of the last two quarters, of what was learned when they were foretold and of what is stated."""
    misses: list[tuple[float, float]] = []
    """By quarter, how far beyond chance the number was off, squared, and what a unit of log odds makes of it."""
    doubt: float = STATED_DOUBT
    """Standard deviation of the log odds of an account."""
    common: float = STATED_DOUBT
    """The part of it that is off for all accounts alike."""
    version: int = 0
    day: int = -1
    """The last one that the newest fit has learnt from."""
    happened: float = 0.0
    """Outcomes that are known, those of long ago too."""

    @property
    def learned(self) -> bool:
        """Whether what is learned is in force."""
        own, others = (sum(pair[number] for pair in self.losses) for number in (0, 1))
        return len(self.losses) == 2 and own < others and self.happened >= LEAST_OUTCOMES


class SavedOutlook(msgspec.Struct, array_like=True):
    """What a partition must remember of it."""

    past: dict[int, int] = {}
    quarter: dict[int, int] = {}
    heads: dict[str, Head] = {}


@dataclass(frozen=True, slots=True)
class Chance:
    """The probability of one outcome, of some accounts."""

    head: Head
    layers: Mapping[str, F64]
    """By layer, those in shadow among them."""
    layer: list[str]
    """Which is in force, of each account."""
    log_odds: F64
    weights: F64
    """In force."""
    doubt: float
    common: float


@dataclass(slots=True)
class Outlook:
    """What all partitions have told of outcomes, and what is learned from it."""

    past: dict[int, int] = field(default_factory=dict)
    """Thousandths of accounts by eight times their cell plus what happened; the longer ago, the less."""
    quarter: Counter[int] = field(default_factory=Counter)
    """The same of the quarter that has not ended, in accounts."""
    heads: dict[str, Head] = field(default_factory=dict)
    """By basis and outcome."""

    def save(self) -> SavedOutlook:
        """What is to be stored."""
        return SavedOutlook(self.past, dict(self.quarter), self.heads)

    def restore(self, saved: SavedOutlook) -> None:
        """Go on from what was stored."""
        self.past, self.quarter, self.heads = saved.past, Counter(saved.quarter), saved.heads

    def advance(self, day: int, told: Mapping[int, int]) -> None:
        """Follow a day of the whole fleet."""
        self.quarter.update(told)
        if (day + 1) % QUARTER == 0:
            self.past = {key: left for key, count in self.past.items() if (left := count * KEPT // 16) >= LEAST}
            for key, count in self.quarter.items():
                self.past[key] = self.past.get(key, 0) + UNIT * count
            self._learn(day)
            self.quarter = Counter()

    def head(self, basis: int, outcome: str) -> Head:
        """What is learned of an outcome."""
        return self.heads.get(f"{BASES[basis]}/{outcome}", Head())

    def chances(self, cells: I64, outcome: str) -> Iterator[tuple[I64, Chance]]:
        """The probability of an outcome by basis: places of the accounts that it is of, and what is said of them."""
        for basis in np.unique(basis_of(cells)).tolist():
            places = np.flatnonzero(basis_of(cells) == basis)
            yield places, _chance(self.head(basis, outcome), cells[places], outcome)

    def _learn(self, day: int) -> None:
        past, last = _Counts.of(self.past, UNIT), _Counts.of(self.quarter)
        for basis, name in enumerate(BASES):
            for bit, outcome in enumerate(OUTCOMES):
                known, newest = past.part(basis, bit), last.part(basis, bit)
                if len(known.cells):
                    head = self.head(basis, outcome)
                    # What is known since this quarter was foretold by what had been learned so many quarters before.
                    lag = AGES[basis] // QUARTER + 1
                    scored = _scored(head, newest, outcome, lag)
                    self.heads[f"{name}/{outcome}"] = _fitted(scored, known, outcome, day, lag)


@dataclass(frozen=True, slots=True)
class _Counts:
    """Accounts by cell, and those of them that had an outcome."""

    cells: I64
    accounts: F64
    happened: F64
    masks: I64

    @classmethod
    def of(cls, counts: Mapping[int, int], unit: int = 1) -> _Counts:
        keys = np.array(sorted(counts), dtype=np.int64)
        accounts = SHARE / unit * np.array([counts[key] for key in keys.tolist()], dtype=np.float64)
        return cls(keys // 8, accounts, np.zeros(len(keys)), keys % 8)

    def part(self, basis: int, bit: int) -> _Counts:
        """Those of a basis, against one outcome."""
        own = basis_of(self.cells) == basis
        accounts, masks = self.accounts[own], self.masks[own]
        return _Counts(self.cells[own], accounts, accounts * (masks >> bit & 1), masks)


def _chance(head: Head, cells: I64, outcome: str) -> Chance:
    weights = stated(outcome)
    layers = {"stated": probability(log_odds(alone(weights), cells)), "fleet": probability(log_odds(weights, cells))}
    if head.fits:
        layers["learned"] = probability(log_odds(np.array(head.fits[-1]), cells))
    if head.learned:
        weights = np.array(head.fits[-1])
    layer = ["learned" if head.learned else "fleet" if each else "stated" for each in compared(cells).tolist()]
    doubt, common = (head.doubt, head.common) if head.learned else (STATED_DOUBT, STATED_DOUBT)
    return Chance(head, layers, layer, log_odds(weights, cells), weights, doubt, common)


def probability(odds: F64) -> F64:
    """Of log odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))


def _scored(head: Head, newest: _Counts, outcome: str, lag: int) -> Head:
    """The head once the quarter that ended is held against what was foretold of it."""
    head = msgspec.structs.replace(head, happened=round(head.happened + float(newest.happened.sum()), DIGITS))
    if len(head.fits) < lag or not len(newest.cells):
        return head
    foretold = log_odds(np.array(head.fits[-lag]), newest.cells)
    own, others = (_loss(odds, newest) for odds in (foretold, log_odds(stated(outcome), newest.cells)))
    chance = probability(foretold)
    number, spread = float(newest.accounts @ chance), float(newest.accounts @ (chance * (1.0 - chance)))
    miss = (float(newest.happened.sum()) - number) ** 2 - spread, spread**2
    return msgspec.structs.replace(
        head, losses=[*head.losses, (own, others)][-2:], misses=[*head.misses, miss][-QUARTERS:]
    )


def _loss(odds: F64, counts: _Counts) -> float:
    """Log loss of all accounts together."""
    return round(float((counts.accounts * np.logaddexp(0.0, odds) - counts.happened * odds).sum()), DIGITS)


def _fitted(head: Head, known: _Counts, outcome: str, day: int, lag: int) -> Head:
    """The head with a fit more."""
    start, held = stated(outcome), np.full(WEIGHTS, HELD_WEIGHT)
    held[0] = HELD_INTERCEPT
    design = np.zeros((len(known.cells), WEIGHTS))
    design[:, 0] = 1.0
    np.put_along_axis(design, bins_of(known.cells), 1.0, axis=1)
    weights, spread = _settled(design, known, start, held)
    weights = in_order(weights, outcome)
    # What bins gained by being put in order, the intercept gives back.
    shift, _ = _settled(np.ones((len(design), 1)), known, np.zeros(1), held[:1], design @ weights)
    weights[0] += shift[0]
    share = float(known.accounts @ (design @ spread * design).sum(axis=1) / known.accounts.sum())
    chance = probability(design @ weights)
    mean = (known.accounts * chance * (1.0 - chance)) @ design
    shared = float(mean @ spread @ mean / mean[0] ** 2)
    excess, information = (sum(pair[number] for pair in head.misses) for number in (0, 1))
    drift = max(0.0, (DRIFT**2 * DRIFT_WEIGHT + excess) / (DRIFT_WEIGHT + information))
    return Head(
        fits=[*head.fits, [round(weight, DIGITS) for weight in weights.tolist()]][-lag:],
        losses=head.losses,
        misses=head.misses,
        doubt=round((drift + share) ** 0.5, DIGITS),
        common=round((drift + shared) ** 0.5, DIGITS),
        version=head.version + 1,
        day=day,
        happened=head.happened,
    )


def _settled(design: F64, known: _Counts, start: F64, held: F64, offset: F64 | float = 0.0) -> tuple[F64, F64]:
    """The likeliest weights, and the covariance of their errors."""
    weights = start
    for _ in range(STEPS):
        chance = probability(offset + design @ weights)
        slope = design.T @ (known.happened - known.accounts * chance) - held * (weights - start)
        curve = (design.T * (known.accounts * chance * (1.0 - chance))) @ design + np.diag(held)
        step = np.linalg.solve(curve, slope)
        weights = weights + step / max(1.0, float(np.abs(step).max()))
    return weights, np.asarray(np.linalg.inv(curve), dtype=np.float64)
