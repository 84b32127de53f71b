"""Hashes are stored in the changelog: what they are today they must be tomorrow."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.terms.hashing import combine, hash64

MASK = 2**64 - 1
SEED, MULTIPLIER, FINAL = 0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53

STORED = {
    "": 0x4F8C09FDB8DAB4AF,
    "a": 0x4029F8F757DE1704,
    "acme": 0x7F37FBC03DF4702D,
    "12345678": 0xFE9BE1570F955EE1,
    "123456789": 0xED463AAFE24E5C28,
    "böll & söhne": 0x89A8D0EECEB43A05,
    "0000000000000000000000000000000000000000": 0xB3CF87890244DD58,
}


def fmix(value: int) -> int:
    value = ((value ^ value >> 33) * MULTIPLIER) & MASK
    value = ((value ^ value >> 33) * FINAL) & MASK
    return value ^ value >> 33


def plain_hash(data: bytes) -> int:
    """The function as a loop over one string."""
    result = SEED ^ len(data)
    padded = data + bytes(-len(data) % 8) or bytes(8)
    for start in range(0, len(padded), 8):
        word = int.from_bytes(padded[start : start + 8], "little")
        result = ((result ^ word) * MULTIPLIER) & MASK
        result ^= result >> 29
    return fmix(result)


@pytest.mark.parametrize(("text", "expected"), STORED.items())
def test_a_hash_is_the_one_that_changelogs_hold(text: str, expected: int) -> None:
    assert hash64(pa.array([text], pa.string())).tolist() == [expected]


def test_a_pair_of_hashes_is_the_one_that_changelogs_hold() -> None:
    left, right = (np.array([value], dtype=np.uint64) for value in (1, 2))
    assert combine(left, right).tolist() == [0x55DF1FEC1F8A9C36]
    assert combine(right, left).tolist() == [0xC1744FE3FFFCDF6D]


@given(st.lists(st.none() | st.text(max_size=40)))
def test_a_column_hashes_like_its_strings_one_by_one(texts: list[str | None]) -> None:
    expected = [plain_hash((text or "").encode()) for text in texts]
    assert hash64(pa.array(texts, pa.string())).tolist() == expected


@given(st.lists(st.text(max_size=9), min_size=1), st.data())
def test_a_slice_of_a_column_hashes_like_a_column_of_its_own(texts: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts)))
    stop = data.draw(st.integers(start, len(texts)))
    sliced = pa.array(texts, pa.string()).slice(start, stop - start)
    assert hash64(sliced).tolist() == [plain_hash(text.encode()) for text in texts[start:stop]]


def test_other_string_types_hash_the_same() -> None:
    texts = ["acme", "böll", "acme"]
    expected = hash64(pa.array(texts, pa.string())).tolist()
    assert hash64(pa.array(texts, pa.large_string())).tolist() == expected
    assert hash64(pa.array(texts).dictionary_encode()).tolist() == expected


def test_many_similar_names_have_different_hashes_spread_over_the_low_bits() -> None:
    hashes = hash64(pa.array([f"user-{n}" for n in range(50_000)], pa.string()))
    assert len(np.unique(hashes)) == 50_000
    buckets = np.bincount((hashes & np.uint64(255)).astype(np.int64), minlength=256)
    assert buckets.min() > 120
    assert buckets.max() < 280
