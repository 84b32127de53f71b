"""Kinds of arrays, by what they hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.codec.batch import I64, U8

__all__ = ["F32", "F64", "I32", "I64", "U8", "U64", "Bools", "Places", "Rows", "summed"]

Bools = npt.NDArray[np.bool_]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
U64 = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]
"""Places in other arrays."""
Rows = slice | I32
"""Rows of accounts: consecutive ones or chosen ones."""


def summed(rows: F64) -> F64:
    """Sums of columns, row by row: numpy adds a lone column in another order, and partitions must not decide a bit."""
    return np.asarray(rows.sum(axis=0) if rows.shape[1] > 1 else np.cumsum(rows, axis=0)[-1])
