"""Where each account stands on each scorecard in force: columns with one row per slot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.scorecards.card import MAX_CRITERIA
from pipeline.state.members import Places
from pipeline.terms.arrays import F64, I32, U8, U64

Stored = npt.NDArray[np.void]
MISSING = 65_535
"""How a value that is missing is held; others as their share of one less."""


def _stored(dtype: str) -> str:
    """The little-endian type."""
    shape, of, base = dtype.rpartition(")")
    return shape + of + np.dtype(base).newbyteorder("<").str


_COLUMNS = {
    "content": ("u8", 0),
    "band": ("u1", 0),
    "scored": ("u1", 0),
    "cap": ("u8", 0),
    "candidate": ("u1", 0),
    "candidate_days": ("u1", 0),
    "since_day": ("i4", -1),
    "score": ("f8", np.nan),
    "published_score": ("f8", np.nan),
    "held_score": ("f8", np.nan),
    "held": (f"({MAX_CRITERIA},)u2", MISSING),
}
STORED = {"card": "<u8"} | {name: _stored(dtype) for name, (dtype, _) in _COLUMNS.items()}
"""Types as they are stored, by name."""
STANDING = np.dtype(list(STORED.items()))
"""One account's standing on one scorecard as it is stored; `card` is the hash of the scorecard's id."""


class Standings:
    """Bands and scores by slot and account row.

    `content` is the fingerprint of the definition that gave the score, 0 while the scorecard does not apply; `scored`
    is the band by the score alone, `cap` what identifies the alert that keeps `band` from being it, 0 for none;
    `since_day` the day on whose close the band was entered, −1 if never; `held_score` and `held`, the values of all
    criteria, are those of the last close on which the score called for the band by itself, without hysteresis.
    """

    content: U64
    band: U8
    scored: U8
    cap: U64
    candidate: U8
    candidate_days: U8
    since_day: I32
    score: F64
    published_score: F64
    held_score: F64
    held: npt.NDArray[np.uint16]

    def __init__(self, cards: Sequence[int], capacity: int) -> None:
        """`cards`: hashes of the ids of the scorecards in force, in the order of their slots."""
        self.cards: U64 = np.array(cards, dtype=np.uint64)
        for name, (dtype, default) in _COLUMNS.items():
            setattr(self, name, np.full((len(cards), capacity), default, dtype=dtype))

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(int(getattr(self, name).nbytes) for name in _COLUMNS)

    def grow(self, capacity: int) -> None:
        """Make room for account rows below `capacity`."""
        for name, (dtype, default) in _COLUMNS.items():
            old = getattr(self, name)
            new = np.full((len(self.cards), capacity), default, dtype=dtype)
            new[:, : old.shape[1]] = old
            setattr(self, name, new)

    def stored(self, rows: Places) -> Stored:
        """Standings of some accounts, one row an account, one column a slot."""
        found = np.zeros((len(rows), len(self.cards)), dtype=STANDING)
        found["card"] = self.cards
        for name in _COLUMNS:
            found[name] = getattr(self, name)[:, rows].swapaxes(0, 1)
        return found

    def restore(self, rows: Places, stored: Stored) -> None:
        """Take back what `stored` gave, by the scorecards' ids: those that are not in force any more are dropped.

        Columns that are not in `stored` keep their default.
        """
        names = _COLUMNS.keys() & set(stored.dtype.names or ())
        slots = {card: slot for slot, card in enumerate(self.cards.tolist())}
        for number in range(stored.shape[1]):
            for card in np.unique(stored["card"][:, number]).tolist():
                if card in slots:
                    chosen = stored["card"][:, number] == card
                    for name in names:
                        getattr(self, name)[slots[card], rows[chosen]] = stored[name][chosen, number]
