"""A hash index over numpy arrays: many 64-bit keys looked up or inserted at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.hashing import U64

I32 = npt.NDArray[np.int32]
EMPTY = -1
_REMOVED = -2
_MIN_CAPACITY = 1024


class HashIndex:
    """Maps 64-bit keys to non-negative 32-bit values by open addressing with linear probing.

    Keys are hashes already, so their low bits choose the slot.
    """

    def __init__(self, capacity: int = _MIN_CAPACITY) -> None:
        self._allocate(max(_MIN_CAPACITY, 1 << (capacity - 1).bit_length()))

    def _allocate(self, capacity: int) -> None:
        self._mask = np.uint64(capacity - 1)
        self._keys = np.zeros(capacity, dtype=np.uint64)
        self._values = np.full(capacity, EMPTY, dtype=np.int32)
        self._used = 0

    def __len__(self) -> int:
        return int((self._values >= 0).sum())

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._keys.nbytes + self._values.nbytes

    def _slots(self, keys: U64) -> npt.NDArray[np.int64]:
        """Slot that holds each key, or −1."""
        slots = (keys & self._mask).astype(np.int64)
        result = np.full(len(keys), -1, dtype=np.int64)
        pending = np.arange(len(keys))
        while len(pending):
            here = slots[pending]
            values = self._values[here]
            hit = (values >= 0) & (self._keys[here] == keys[pending])
            result[pending[hit]] = here[hit]
            pending = pending[~hit & (values != EMPTY)]
            slots[pending] = (slots[pending] + 1) & int(self._mask)
        return result

    def lookup(self, keys: U64) -> I32:
        """Value of each key, or −1."""
        slots = self._slots(keys)
        return np.where(slots >= 0, self._values[slots], np.int32(EMPTY))

    def insert(self, keys: U64, values: I32) -> npt.NDArray[np.bool_]:
        """Insert keys that are not there; of equal keys in the call the first wins.

        Returns which of them won.
        """
        self._reserve(len(keys))
        slots = (keys & self._mask).astype(np.int64)
        pending = np.arange(len(keys))
        while len(pending):
            here = slots[pending]
            free = self._values[here] == EMPTY
            # Assignment keeps the last of equal slots: reversed, that is the first.
            takers, places = pending[free][::-1], here[free][::-1]
            self._keys[places] = keys[takers]
            self._values[places] = values[takers]
            settled = self._keys[here] == keys[pending]
            settled &= self._values[here] >= 0
            pending = pending[~settled]
            slots[pending] = (slots[pending] + 1) & int(self._mask)
        won = np.asarray(self._values[slots] == values)
        self._used += int(won.sum())
        return won

    def remove(self, keys: U64) -> None:
        """Forget keys that are there."""
        slots = self._slots(keys)
        self._values[slots[slots >= 0]] = _REMOVED

    def _reserve(self, more: int) -> None:
        capacity = len(self._keys)
        if (self._used + more) * 2 <= capacity:
            return
        live = self._values >= 0
        keys, values = self._keys[live], self._values[live]
        needed = (len(keys) + more) * 3
        self._allocate(max(_MIN_CAPACITY, 1 << (needed - 1).bit_length()))
        if len(keys):
            self.insert(keys, values)
