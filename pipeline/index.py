"""Hash tables over numpy arrays: many 64-bit keys looked up or inserted at once.

Keys are hashes already: their low bits choose the slot, their high bits the step to the next one (double hashing).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.hashing import U64

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
EMPTY = -1
_REMOVED = -2
_MIN_CAPACITY = 1024
_ONE = np.uint64(1)
_STEP_SHIFT = np.uint64(40)


def _capacity(keys: int) -> int:
    """A power of two at which so many keys fill less than half of the slots, with room to grow."""
    return max(_MIN_CAPACITY, 1 << (3 * keys - 1).bit_length())


def _steps(keys: U64) -> I64:
    """Odd, so that a walk visits every slot."""
    return ((keys >> _STEP_SHIFT) | _ONE).view(np.int64)


class HashIndex:
    """Maps 64-bit keys to non-negative 32-bit values."""

    def __init__(self, keys: int = 0) -> None:
        self._allocate(_capacity(keys))

    def _allocate(self, capacity: int) -> None:
        self._mask = np.int64(capacity - 1)
        self._keys = np.zeros(capacity, dtype=np.uint64)
        self._values = np.full(capacity, EMPTY, dtype=np.int32)
        self._used = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._keys.nbytes + self._values.nbytes

    def _walk(self, keys: U64) -> tuple[I64, I32]:
        """Slot and value of each key; the value is −1 where the walk ended at an empty slot."""
        slots = keys.view(np.int64) & self._mask
        values = self._values[slots]
        pending = np.flatnonzero(~self._ended(keys, slots, values))
        rest, steps, here = keys[pending], _steps(keys[pending]), slots[pending]
        while len(pending):
            here = (here + steps) & self._mask
            found = self._values[here]
            ended = self._ended(rest, here, found)
            settled = pending[ended]
            slots[settled], values[settled] = here[ended], found[ended]
            going = ~ended
            pending, rest, steps, here = pending[going], rest[going], steps[going], here[going]
        return slots, values

    def _ended(self, keys: U64, slots: I64, values: I32) -> Bools:
        return np.asarray(((self._keys[slots] == keys) & (values != _REMOVED)) | (values == EMPTY))

    def lookup(self, keys: U64) -> I32:
        """Value of each key, or −1."""
        return self._walk(np.ascontiguousarray(keys))[1]

    def insert(self, keys: U64, values: I32) -> None:
        """Insert keys that are not there yet, each once."""
        self._reserve(len(keys))
        self._used += len(keys)
        rest, slots = np.ascontiguousarray(keys), np.ascontiguousarray(keys).view(np.int64) & self._mask
        while len(rest):
            free = np.flatnonzero(self._values[slots] == EMPTY)
            self._keys[slots[free]], self._values[slots[free]] = rest[free], values[free]
            # Of keys that took the same slot in one assignment, one stays.
            lost = (self._keys[slots] != rest) | (self._values[slots] != values)
            rest, values, slots = rest[lost], values[lost], slots[lost]
            slots = (slots + _steps(rest)) & self._mask

    def remove(self, keys: U64) -> None:
        """Forget keys that are there."""
        slots, values = self._walk(np.ascontiguousarray(keys))
        self._values[slots[values >= 0]] = _REMOVED

    def _reserve(self, more: int) -> None:
        if (self._used + more) * 2 <= len(self._keys):
            return
        live = self._values >= 0
        keys, values = self._keys[live], self._values[live]
        self._allocate(_capacity(len(keys) + more))
        self.insert(keys, values)


class KeySet:
    """A set of 64-bit keys."""

    def __init__(self, keys: int = 0) -> None:
        self._allocate(_capacity(keys))

    def _allocate(self, capacity: int) -> None:
        self._mask = np.int64(capacity - 1)
        self._keys = np.zeros(capacity, dtype=np.uint64)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._keys.nbytes

    def contains(self, keys: U64) -> Bools:
        """Which of the keys are there."""
        keys = _nonzero(keys)
        slots = keys.view(np.int64) & self._mask
        found = self._keys[slots]
        result = np.asarray(found == keys)
        pending = np.flatnonzero(~result & (found != 0))
        rest, steps, here = keys[pending], _steps(keys[pending]), slots[pending]
        while len(pending):
            here = (here + steps) & self._mask
            found = self._keys[here]
            hit = found == rest
            result[pending[hit]] = True
            going = ~hit & (found != 0)
            pending, rest, steps, here = pending[going], rest[going], steps[going], here[going]
        return result

    def add(self, keys: U64) -> None:
        """Add keys that are not there yet, each once."""
        if (self._used + len(keys)) * 2 > len(self._keys):
            known = self._keys[self._keys != 0]
            self._allocate(_capacity(2 * len(known) + len(keys)))
            self.add(known)
        self._used += len(keys)
        rest = _nonzero(keys)
        slots = rest.view(np.int64) & self._mask
        while len(rest):
            free = np.flatnonzero(self._keys[slots] == 0)
            self._keys[slots[free]] = rest[free]
            lost = self._keys[slots] != rest
            rest, slots = rest[lost], slots[lost]
            slots = (slots + _steps(rest)) & self._mask


def _nonzero(keys: U64) -> U64:
    """Zero marks an empty slot; its own key becomes another one."""
    return np.ascontiguousarray(np.where(keys == 0, _ONE, keys))
