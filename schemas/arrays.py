"""The buffers of Arrow columns as NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa


def valid(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which values are not null."""
    bits = column.buffers()[0]
    if bits is None:
        return np.ones(len(column), dtype=np.bool_)
    unpacked = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), bitorder="little")
    return unpacked[column.offset : column.offset + len(column)].view(np.bool_)


def numbers(column: pa.Array) -> npt.NDArray[Any]:
    """The values of a number column, without a copy; what stands in place of a null is arbitrary."""
    values: npt.NDArray[Any] = np.frombuffer(column.buffers()[1], dtype=column.type.to_pandas_dtype())
    return values[column.offset : column.offset + len(column)]


def offsets(column: pa.Array) -> npt.NDArray[np.int32]:
    """Where the values of a string, list or map column begin and end, without a copy."""
    if not len(column):
        return np.zeros(1, dtype=np.int32)
    bounds: npt.NDArray[np.int32] = np.frombuffer(column.buffers()[1], dtype=np.int32)
    return bounds[column.offset : column.offset + len(column) + 1]
