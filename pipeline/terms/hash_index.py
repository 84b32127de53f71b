"""Hash tables over numpy arrays: many 64-bit keys looked up or inserted at once.

Keys are hashes already: their low bits choose the slot, their high bits the step to the next one (double hashing).
"""

from __future__ import annotations

import numpy as np

from pipeline.terms.arrays import I32, I64, U64, Bools

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
    """Finds the place of a 64-bit key in a column of keys, never empty, that somebody else holds.

    The slots hold places only, so each call is given the column.
    """

    def __init__(self, keys: int = 0) -> None:
        self._allocate(_slots(keys))

    def _allocate(self, capacity: int) -> None:
        self._mask = np.int64(capacity - 1)
        self._places = np.full(capacity, EMPTY, dtype=np.int32)
        self._used = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._places.nbytes

    def lookup(self, keys: U64, column: U64) -> I32:
        """Place of each key in the column, or −1."""
        keys = np.ascontiguousarray(keys)
        here = keys.view(np.int64) & self._mask
        found: I32 = self._places[here]
        pending = np.flatnonzero(~_ended(keys, found, column))
        rest, steps, here = keys[pending], _steps(keys[pending]), here[pending]
        while len(pending):
            here = (here + steps) & self._mask
            there = self._places[here]
            ended = _ended(rest, there, column)
            found[pending[ended]] = there[ended]
            going = ~ended
            pending, rest, steps, here = pending[going], rest[going], steps[going], here[going]
        return found

    def insert(self, places: I32, column: U64) -> None:
        """Insert places whose keys are not there yet, each once."""
        self._reserve(len(places), column)
        self._used += len(places)
        keys = column[places]
        slots = keys.view(np.int64) & self._mask
        while len(places):
            free = np.flatnonzero(self._places[slots] == EMPTY)
            self._places[slots[free]] = places[free]
            # Of places that took the same slot in one assignment, one stays.
            lost = self._places[slots] != places
            places, keys, slots = places[lost], keys[lost], slots[lost]
            slots = (slots + _steps(keys)) & self._mask

    def remove(self, places: I32, column: U64) -> None:
        """Forget places that are there."""
        keys = column[places]
        slots = keys.view(np.int64) & self._mask
        while len(places):
            other = self._places[slots] != places
            self._places[slots[~other]] = _REMOVED
            places, keys, slots = places[other], keys[other], slots[other]
            slots = (slots + _steps(keys)) & self._mask

    def _reserve(self, more: int, column: U64) -> None:
        if (self._used + more) * 3 <= len(self._places) * 2:
            return
        live = self._places[self._places >= 0]
        self._allocate(_slots(len(live) + more))
        self.insert(live, column)


def _slots(keys: int) -> int:
    """A power of two of which so many keys fill at most three fifths, so that some more find room."""
    return max(_MIN_CAPACITY, 1 << (5 * keys // 3).bit_length())


def _ended(keys: U64, places: I32, column: U64) -> Bools:
    """Where a walk is over: at the key's own place, or at an empty slot."""
    return np.asarray((places == EMPTY) | ((places >= 0) & (column[places] == keys)))


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
