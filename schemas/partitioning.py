"""Which partition a key belongs to: murmur2, as in Kafka's Java client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

_M = 0x5BD1E995
_R = 24
_SEED = 0x9747B28C
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit hash of the key, unsigned."""
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = (int.from_bytes(data[at : at + 4], "little") * _M) & _MASK
        k ^= k >> _R
        h = ((h * _M) & _MASK) ^ ((k * _M) & _MASK)
    if length & 3:
        h ^= int.from_bytes(data[whole:], "little")
        h = (h * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key in a topic with so many partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def partitions_of(keys: Sequence[bytes], partitions: int) -> npt.NDArray[np.int64]:
    """Partition of each key; keys of one length are hashed at once."""
    out = np.empty(len(keys), dtype=np.int64)
    lengths = np.fromiter(map(len, keys), dtype=np.int64, count=len(keys))
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        joined = b"".join([keys[row] for row in rows.tolist()])
        data = np.frombuffer(joined, dtype=np.uint8).reshape(len(rows), int(length))
        out[rows] = (_murmur2_rows(data) & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)
    return out


def _murmur2_rows(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    count, length = data.shape
    m = np.uint32(_M)
    h = np.full(count, _SEED ^ length, dtype=np.uint32)
    whole = length & ~3
    words = np.ascontiguousarray(data[:, :whole]).view("<u4")
    for column in range(words.shape[1]):
        k = words[:, column] * m
        k ^= k >> np.uint32(_R)
        h = (h * m) ^ (k * m)
    if length & 3:
        for place in range(length - 1, whole - 1, -1):
            h ^= data[:, place].astype(np.uint32) << np.uint32(8 * (place - whole))
        h = h * m
    h ^= h >> np.uint32(13)
    h = h * m
    return h ^ (h >> np.uint32(15))
