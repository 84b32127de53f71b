"""How many bytes the shortest Avro encoding of decoded columns has, record by record.

The columnar decoder stops at the end of a record and does not look whether bytes are left. It can have read
no fewer bytes than the shortest encoding of what it found; so if that is as long as the record, it read all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from schemas.arrays import numbers, offsets, valid
from schemas.avro import plain
from schemas.codec.projection import Shape, shape_of
from schemas.codec.rows import FRAME_BYTES
from schemas.definitions import current

if TYPE_CHECKING:
    import pyarrow as pa

    from schemas.codec.batch import I64


def record_sizes(schema: str, columns: pa.RecordBatch) -> I64:
    """Size in bytes, with the frame, of each record that the encoder makes of columns of one of our schemas."""
    fields = plain(current(schema))["fields"]
    return encoded_sizes(columns, tuple(shape_of(field["type"]) for field in fields)) + FRAME_BYTES


def encoded_sizes(columns: pa.RecordBatch, shapes: tuple[Shape, ...]) -> I64:
    """Size of each record in bytes, without the frame."""
    total = np.zeros(columns.num_rows, dtype=np.int64)
    for column, shape in zip(columns.columns, shapes, strict=True):
        if shape.nullable:
            total += 1
        if column.null_count == len(column):
            continue
        sizes = _SIZES[shape.kind](column)
        total += np.where(valid(column), sizes, 0) if column.null_count else sizes
    return total


def _varints(values: I64) -> I64 | int:
    """Bytes of each value as a zigzag varint."""
    if not len(values):
        return values
    unsigned = ((values << 1) ^ (values >> 63)).view(np.uint64)
    least, most = _varint(int(unsigned.min())), _varint(int(unsigned.max()))
    sizes: I64 | int = least
    for size in range(least, most):
        sizes = sizes + (unsigned >= np.uint64(1 << 7 * size)).astype(np.int64)
    return sizes


def _varint(unsigned: int) -> int:
    return max(1, -(-unsigned.bit_length() // 7))


def _longs(column: pa.Array) -> I64 | int:
    return _varints(numbers(column).astype(np.int64, copy=False))


def _strings(column: pa.Array) -> I64:
    lengths = np.diff(offsets(column)).astype(np.int64)
    return lengths + _varints(lengths)


def _lists(column: pa.Array) -> I64:
    return _blocks(column, _strings(column.values))


def _maps(column: pa.Array) -> I64:
    return _blocks(column, _strings(column.keys) + _strings(column.items))


def _blocks(column: pa.Array, item_sizes: I64) -> I64:
    """A block with its count in front and an empty one behind; only the latter if there are no items."""
    bounds = offsets(column)
    counts = np.diff(bounds).astype(np.int64)
    until = np.concatenate(([0], np.cumsum(item_sizes)))
    return until[bounds[1:]] - until[bounds[:-1]] + 1 + np.where(counts > 0, _varints(counts), 0)


_SIZES = {
    "string": _strings,
    "int": _longs,
    "long": _longs,
    "float": lambda _column: 4,
    "double": lambda _column: 8,
    "strings": _lists,
    "map": _maps,
}
