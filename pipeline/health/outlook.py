"""What account.health says of an account's outlook: each outcome's probability, and what it rests on."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.evidence.cells import cells, foretold, renewal_ms
from pipeline.evidence.view import View
from pipeline.fleet.outlook import Chance, Outlook, probability
from pipeline.fleet.traits import BASES, OUTCOMES, TRAITS, basis_of, bins_of
from pipeline.state.state import State
from pipeline.terms.arrays import I64, Places

Record = dict[str, Any]
NINETY = 1.6449
"""Standard deviations on both sides of a normal distribution that hold nine tenths of it."""
REASONS, LEAST_REASON = 3, 0.1
"""Traits that are named, and the log odds below which one says too little."""
_BINS = ["", *(said for trait in TRAITS for said in trait.bins)]


def outlook_records(state: State, view: View, places: Places) -> dict[int, Record]:
    """The outlook of the accounts at some places that have one, by place."""
    places = places[foretold(view)[places]]
    if not len(places):
        return {}
    found, which = np.unique(cells(view, places, state.fleet.levels), return_inverse=True)
    # Accounts of a cell have the same to come.
    of_cells: list[Record] = [{"basis": BASES[basis]} for basis in basis_of(found).tolist()]
    for outcome in OUTCOMES:
        for number, record in _of_outcome(state.fleet.outlook, found, outcome):
            of_cells[number][outcome] = record
    renewals = renewal_ms(view)[places].tolist()
    return {
        place: {**of_cells[number], "renewal_at": None if at_ms < 0 else at_ms}
        for place, number, at_ms in zip(places.tolist(), which.tolist(), renewals, strict=True)
    }


def _of_outcome(outlook: Outlook, found: I64, outcome: str) -> list[tuple[int, Record]]:
    """What is said of one outcome in each of some cells, by their number."""
    records = []
    for chosen, chance in outlook.chances(found, outcome):
        low, middle, high = (
            np.round(probability(chance.log_odds + sign * NINETY * chance.doubt), 4).tolist() for sign in (-1, 0, 1)
        )
        layers = {name: np.round(values, 4).tolist() for name, values in chance.layers.items()}
        reasons = _reasons(chance, found[chosen])
        for number, which in enumerate(chosen.tolist()):
            records.append((which, {
                "probability": middle[number],
                "low": low[number],
                "high": high[number],
                "common_doubt": chance.common,
                "layer": chance.layer[number],
                "version": chance.head.version,
                "learned_through": None if chance.head.day < 0 else chance.head.day,
                "outcomes": round(chance.head.happened),
                "because": reasons[number],
                "layers": {name: values[number] for name, values in layers.items()},
            }))  # fmt: skip
    return records


def _reasons(chance: Chance, found: I64) -> list[str]:
    """The traits that make the outcome likelier, the strongest first."""
    places = bins_of(found)
    added = np.round(chance.weights[places], 1)
    order = np.argsort(-added, axis=1, kind="stable")[:, :REASONS]
    return [
        ", ".join(f"{_BINS[here[which]]} {by[which]:+.1f}" for which in first if by[which] >= LEAST_REASON)
        for first, here, by in zip(order.tolist(), places.tolist(), added.tolist(), strict=True)
    ]
