"""Stable 64-bit hashes of strings, computed for whole columns.

The hashes are stored in the changelog, so the function must never change: it multiplies and xor-shifts
8-byte words (the finaliser is MurmurHash3's fmix64) and depends on no library's own hash.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.terms.arrays import U8, U64

_SEED = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER = np.uint64(0xFF51AFD7ED558CCD)
_FINAL = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT_33 = np.uint64(33)
_SHIFT_29 = np.uint64(29)


def _fmix(values: U64) -> U64:
    values = (values ^ (values >> _SHIFT_33)) * _MULTIPLIER
    values = (values ^ (values >> _SHIFT_33)) * _FINAL
    return np.asarray(values ^ (values >> _SHIFT_33), dtype=np.uint64)


def _hash_rows(rows: U8) -> U64:
    count, length = rows.shape
    words = -(-length // 8) or 1
    if length == words * 8 and rows.flags.c_contiguous:
        padded = rows
    else:
        padded = np.zeros((count, words * 8), dtype=np.uint8)
        padded[:, :length] = rows
    columns = padded.view("<u8")
    result = np.full(count, _SEED ^ np.uint64(length), dtype=np.uint64)
    for word in range(words):
        result = (result ^ columns[:, word]) * _MULTIPLIER
        result ^= result >> _SHIFT_29
    return _fmix(result)


def hash64(strings: pa.Array) -> U64:
    """Hash of each string's UTF-8 bytes; a null hashes as the empty string."""
    count = len(strings)
    if count == 0:
        return np.empty(0, dtype=np.uint64)
    if strings.type != pa.string():
        strings = strings.cast(pa.string())
    offsets = np.frombuffer(strings.buffers()[1], dtype=np.int32)[strings.offset : strings.offset + count + 1]
    buffer = strings.buffers()[2]
    data = np.frombuffer(buffer, dtype=np.uint8) if buffer is not None else np.empty(0, dtype=np.uint8)
    lengths = np.diff(offsets)
    first = int(lengths[0])
    if (lengths == first).all():
        return _hash_rows(data[int(offsets[0]) : int(offsets[-1])].reshape(count, first))
    result = np.empty(count, dtype=np.uint64)
    for length in np.unique(lengths):
        chosen = np.flatnonzero(lengths == length)
        places = offsets[chosen].astype(np.int64)[:, None] + np.arange(length, dtype=np.int64)
        result[chosen] = _hash_rows(data[places])
    return result


def hash_names(names: pa.Array) -> U64:
    """`hash64` of a column without nulls that holds few distinct strings."""
    encoded = names.dictionary_encode()
    found: U64 = hash64(encoded.dictionary)[encoded.indices.to_numpy()]
    return found


def hash_text(text: str) -> int:
    """`hash64` of one string."""
    return int(hash64(pa.array([text], pa.string()))[0])


def combine(left: U64, right: U64) -> U64:
    """Hash of a pair of hashes; the order matters."""
    return _fmix(left * _MULTIPLIER + (right ^ _SEED))
