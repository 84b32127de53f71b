"""What an account's outlook is read from: a few traits of a few bins each, which together are its cell."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, prod

import numpy as np

from pipeline.terms.arrays import F64, I64, Bools

OUTCOMES = ("churn", "contraction", "expansion")
"""Bits of what happened, from the lowest on."""
BASES = ("billing", "use")
"""What tells the outcomes of an account."""
STATED = {"churn": 0.04, "contraction": 0.03, "expansion": 0.04}
"""Share of ordinary accounts, by quarter, until a fleet's own outcomes say something else."""


@dataclass(frozen=True, slots=True)
class Trait:
    """One trait: its bins in words, and what each adds to the log odds of each outcome before anything is learned."""

    name: str
    bins: tuple[str, ...]
    churn: tuple[float, ...]
    contraction: tuple[float, ...]
    expansion: tuple[float, ...]
    ordered: tuple[int, ...] = ()
    """Bins of which it is known that some make an outcome likelier than others do, whatever is learned."""


_NONE = (0.0, 0.0, 0.0, 0.0)
TRAITS = (
    Trait(
        "use",
        ("too new", "in use nearly every week", "in use most weeks", "in use some weeks", "rarely in use", "silent"),
        (0.0, -0.5, 0.0, 0.4, 0.8, 1.8),
        (0.0, *_NONE, 0.0),
        (0.0, 0.0, -0.1, -0.3, -0.6, -1.5),
        (1, 2, 3, 4, 5),
    ),
    Trait(
        "level",
        (
            "not compared",
            "in the lowest quarter of the fleet",
            "below the median",
            "above the median",
            "in the top quarter of the fleet",
        ),
        (0.0, 0.3, 0.1, -0.1, -0.3),
        (0.0, *_NONE),
        (0.0, *_NONE),
        (1, 2, 3, 4),
    ),
    Trait(
        "trend",
        ("use halved", "use falling", "use steady", "use growing"),
        (0.4, 0.1, 0.0, -0.1),
        (0.6, 0.3, 0.0, -0.1),
        (-0.5, -0.2, 0.0, 0.5),
        (0, 1, 2, 3),
    ),
    Trait(
        "people",
        ("nobody named", "one user", "two users", "several users"),
        (0.0, 0.4, 0.1, -0.3),
        _NONE,
        (0.0, -0.2, 0.0, 0.2),
        (1, 2, 3),
    ),
    Trait(
        "trouble",
        ("no trouble", "tickets or a detractor", "trouble with payment or revenue", "an end announced"),
        (0.0, 0.3, 0.8, 4.0),
        (0.0, 0.3, 0.6, -0.1),
        (0.0, -0.1, -0.5, -2.0),
        (0, 1, 2, 3),
    ),
    Trait(
        "term",
        ("no renewal known", "renewal within 90 days", "renewal later", "known for a year, no renewal known"),
        (0.0, 0.7, -1.0, -0.2),
        (0.0, 0.4, -0.5, 0.0),
        (0.0, 0.2, 0.0, -0.3),
        (1, 2),
    ),
    Trait(
        "growth",
        ("no growth", "new for half a year", "seats nearly taken", "revenue grew lately"),
        (0.0, 0.2, 0.0, -0.3),
        (0.0, 0.0, 0.0, 0.2),
        (0.0, 0.4, 0.6, 0.6),
    ),
)
_LEVEL = [trait.name for trait in TRAITS].index("level")
"""The trait that compares with the fleet."""
_SIZES = [len(trait.bins) for trait in TRAITS]
_FIRST = np.cumsum([1, *_SIZES])[:-1]
"""Of each trait's weights, behind the intercept."""
WEIGHTS = 1 + sum(_SIZES)
CELLS = prod(_SIZES) * len(BASES)


def cells_of(basis: I64, bins: list[I64]) -> I64:
    """The cells of accounts, given what tells their outcomes and the bin of each trait."""
    cell = basis
    for size, chosen in zip(_SIZES, bins, strict=True):
        cell = cell * size + chosen
    return cell


def bins_of(cells: I64) -> I64:
    """Places of the weights of cells' bins, one column a trait."""
    columns = []
    for size, first in zip(reversed(_SIZES), reversed(_FIRST.tolist()), strict=True):
        columns.append(cells % size + first)
        cells = cells // size
    return np.stack(columns[::-1], axis=-1)


def compared(cells: I64) -> Bools:
    """Which of the cells compare with the fleet."""
    return np.asarray(bins_of(cells)[:, _LEVEL] != _FIRST[_LEVEL])


def alone(weights: F64) -> F64:
    """The weights without any of what compares with the fleet."""
    found = weights.copy()
    found[_FIRST[_LEVEL] : _FIRST[_LEVEL] + _SIZES[_LEVEL]] = 0.0
    return found


def basis_of(cells: I64) -> I64:
    """Number of what tells the outcomes of accounts in cells."""
    return cells // (CELLS // len(BASES))


def log_odds(weights: F64, cells: I64) -> F64:
    """What the weights say of cells."""
    return np.asarray(weights[0] + weights[bins_of(cells)].sum(axis=-1))


def stated(outcome: str) -> F64:
    """The weights before anything is learned."""
    base = STATED[outcome]
    return np.array([log(base / (1.0 - base)), *(weight for trait in TRAITS for weight in getattr(trait, outcome))])


def in_order(weights: F64, outcome: str) -> F64:
    """The weights of ordered bins, none lower than that of one which makes the outcome less likely."""
    found = weights.copy()
    for trait, first in zip(TRAITS, _FIRST.tolist(), strict=True):
        known = np.array([getattr(trait, outcome)[number] for number in trait.ordered])
        if len(np.unique(known)) > 1:
            places = first + np.array(trait.ordered)[np.argsort(known, kind="stable")]
            found[places] = np.maximum.accumulate(weights[places])
    return found
