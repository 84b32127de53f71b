"""What the fleet learns of its outcomes: as the oracle does, however counts are divided; in force when better."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
import numpy as np
import pytest

from pipeline.fleet.merged import Fleet
from pipeline.fleet.outlook import LEAST_OUTCOMES, Outlook, SavedOutlook, probability
from pipeline.fleet.traits import BASES, OUTCOMES, TRAITS, cells_of, in_order, log_odds, stated
from pipeline.terms.fleet_day import FleetDay
from tests.oracle.outlook import Cell, Learning, keys
from tests.oracle.outlook import stated as oracles

FIRST_DAY = 91 * 200
QUARTERS = 9
"""Of the stream; how many it takes until what is learned of use may be in force, and one more."""


def drawn(random: Random) -> Cell:
    return (random.choice(BASES), *(random.randrange(len(trait.bins)) for trait in TRAITS))  # type: ignore[return-value]


def number(cell: Cell) -> int:
    return int(cells_of(np.array([BASES.index(cell[0])]), [np.array([each]) for each in cell[1:]])[0])


def bits(what: frozenset[str]) -> int:
    return sum(1 << OUTCOMES.index(name) for name in what)


def quarter(random: Random, shift: float, cells: list[Cell]) -> Counter[tuple[Cell, frozenset[str]]]:
    """Outcomes of 700 accounts: as is stated, but use counts for more, and all is likelier by a shift of log odds."""
    found: Counter[tuple[Cell, frozenset[str]]] = Counter()
    for _ in range(700):
        cell = random.choice(cells)
        what = {
            outcome
            for outcome in OUTCOMES
            if random.random() < probability(np.array(log_odds(stated(outcome), np.array(number(cell)))
                                             + shift * (1 + 0.6 * (cell[1] - 2))))
        }  # fmt: skip
        found[cell, frozenset({"churn"} if "churn" in what else what)] += 1
    return found


@pytest.fixture(scope="module")
def told() -> list[Counter[tuple[Cell, frozenset[str]]]]:
    random = Random(8)
    cells = [drawn(random) for _ in range(25)]
    return [quarter(random, 1.0, cells) for _ in range(QUARTERS)]


def learned(told: list[Counter[tuple[Cell, frozenset[str]]]]) -> Outlook:
    """By the core, stored and read again after each quarter."""
    outlook = Outlook()
    for at, counts in enumerate(told):
        last = FIRST_DAY + 91 * at + 90
        outlook.advance(last - 1, {8 * number(cell) + bits(what): count for (cell, what), count in counts.items()})
        outlook.advance(last, {})
        stored = msgspec.msgpack.decode(msgspec.msgpack.encode(outlook.save()), type=SavedOutlook)
        outlook = Outlook()
        outlook.restore(stored)
    return outlook


def test_what_is_learned_is_what_the_oracle_learns(told: list[Counter[tuple[Cell, frozenset[str]]]]) -> None:
    outlook, oracle = learned(told), Learning()
    for at, counts in enumerate(told):
        oracle.advance(FIRST_DAY + 91 * at + 45, counts)
        oracle.advance(FIRST_DAY + 91 * at + 90, Counter())
    for basis, name in enumerate(BASES):
        for outcome in OUTCOMES:
            head, theirs = outlook.head(basis, outcome), oracle.learnt[name, outcome]
            assert (head.learned, head.version, head.day) == (theirs.in_force, QUARTERS, theirs.through)
            assert head.doubt == pytest.approx(theirs.doubt, abs=2e-4)
            assert head.common == pytest.approx(theirs.common, abs=2e-4)
            assert head.happened == pytest.approx(theirs.outcomes, abs=1e-3)
            weights = np.array(head.fits[-1])
            for cell in {cell for cell, _ in told[0] if cell[0] == name}:
                expected = sum(theirs.fits[-1][key] for key in keys(cell))
                assert log_odds(weights, np.array(number(cell))) == pytest.approx(expected, abs=1e-3)


def test_what_is_learned_comes_into_force_once_it_has_foretold_better(
    told: list[Counter[tuple[Cell, frozenset[str]]]],
) -> None:
    # Fitted at the end of a quarter, it foretells the next, of which billing says a quarter later what has happened.
    since = {basis: [learned(told[:n]).head(basis, "churn").learned for n in range(1, 8)] for basis in (0, 1)}
    assert since == {0: [False] * 3 + [True] * 4, 1: [False] * 5 + [True] * 2}
    head = learned(told).head(0, "churn")
    assert head.happened >= LEAST_OUTCOMES
    (places, chance), *_ = learned(told).chances(np.array([number((BASES[0], 5, 1, 0, 1, 2, 1, 0))]), "churn")
    assert (places.tolist(), chance.layer) == ([0], ["learned"])
    assert chance.layers["learned"][0] > chance.layers["fleet"][0] > chance.layers["stated"][0]


def test_what_happens_as_stated_leaves_what_is_learned_in_shadow() -> None:
    random = Random(3)
    cells = [drawn(random) for _ in range(300)]
    outlook = learned([quarter(random, 0.0, cells) for _ in range(5)])
    assert not any(outlook.head(0, outcome).learned for outcome in OUTCOMES)


def test_weights_of_ordered_bins_stay_in_order() -> None:
    weights = -stated("churn")
    found = in_order(weights, "churn")
    for trait in TRAITS:
        known = [oracles("churn")[TRAITS.index(trait), each] for each in trait.ordered]
        first = 1 + sum(len(each.bins) for each in TRAITS[: TRAITS.index(trait)])
        own = [found[first + each] for each in trait.ordered]
        assert all(
            b >= a for (x, a) in zip(known, own, strict=True) for (y, b) in zip(known, own, strict=True) if y > x
        )


def test_the_oracle_states_the_same_weights() -> None:
    for outcome in OUTCOMES:
        assert list(oracles(outcome).values()) == pytest.approx(stated(outcome).tolist())


def test_partitions_that_share_the_counts_learn_the_same(told: list[Counter[tuple[Cell, frozenset[str]]]]) -> None:
    fleets = [Fleet(partitions, 20) for partitions in (1, 3)]
    for at, counts in enumerate(told[:4]):
        day = FIRST_DAY + 91 * at + 90
        whole = {8 * number(cell) + bits(what): count for (cell, what), count in counts.items()}
        shares = [{key: count - 2 * (count // 3) for key, count in whole.items()}]
        shares += [{key: count // 3 for key, count in whole.items()}] * 2
        for fleet in fleets:
            for partition in range(fleet.partitions):
                own = whole if fleet.partitions == 1 else shares[partition]
                since = 0 if at == 0 else day - 90
                fleet.take(FleetDay(partition, since, day, outcomes=own))
            assert len(list(fleet.merge_through(day))) > 0
    assert fleets[0].save().outlook == fleets[1].save().outlook
    assert fleets[0].outlook.heads["billing/churn"].version == 4
