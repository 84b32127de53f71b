"""The Confluent wire format: a zero byte, four bytes of schema id (big-endian), then one Avro record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from schemas.arrays import valid
from schemas.errors import MalformedError
from schemas.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from schemas.codec.batch import I64

FRAME_BYTES = 5
JSON = -2
"""In place of a schema id."""
_BRACE = ord("{")


def frame(schema_id: int) -> bytes:
    """What stands in front of records of this schema."""
    return b"\x00" + schema_id.to_bytes(4, "big")


def unframe(value: bytes) -> tuple[int, bytes]:
    """(schema id, record).

    Raises:
        MalformedError: the value is not framed.
    """
    if len(value) < FRAME_BYTES or value[0] != 0:
        raise MalformedError(Reason.NOT_FRAMED, _NO_FRAME)
    return int.from_bytes(value[1:FRAME_BYTES], "big"), value[FRAME_BYTES:]


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of a batch; one entry per record in every array."""

    schema_ids: I64
    """-1 where there is no usable frame, `JSON` where the value is a JSON object instead."""
    body_sizes: I64
    """Bytes behind the frame."""
    is_null: npt.NDArray[np.bool_]
    bad: dict[int, tuple[str, str]]
    """Reason and detail by place in the batch."""


def parse(values: Sequence[bytes | None], max_bytes: int) -> Frames:
    """Look at the frames of all values at once."""
    array = pa.array(values, pa.binary())
    if isinstance(array, pa.ChunkedArray):  # 2 GiB and more; nothing is lost by cutting what is too long
        array = pa.array([value and value[: max_bytes + 1] for value in values], pa.binary())
    bounds = np.frombuffer(array.buffers()[1], dtype=np.int32)[: len(values) + 1].astype(np.int64)
    sizes = np.diff(bounds)
    is_null = ~valid(array) if array.null_count else np.zeros(len(values), dtype=np.bool_)
    oversize = sizes > max_bytes
    framed = (sizes >= FRAME_BYTES) & ~oversize
    schema_ids = np.full(len(values), -1, dtype=np.int64)
    if framed.any():
        data = np.frombuffer(array.buffers()[2], dtype=np.uint8)
        starts = bounds[:-1][framed]
        ids = np.zeros(len(starts), dtype=np.int64)
        for place in range(1, FRAME_BYTES):
            ids = (ids << 8) | data[starts + place]
        schema_ids[framed] = np.where(data[starts] == 0, ids, np.where(data[starts] == _BRACE, JSON, -1))
    return Frames(schema_ids, sizes - FRAME_BYTES, is_null, _bad(schema_ids, is_null, oversize, max_bytes))


_NO_FRAME = "the value begins neither with a zero byte and a schema id nor as a JSON object"


def _bad(
    schema_ids: I64, is_null: npt.NDArray[np.bool_], oversize: npt.NDArray[np.bool_], max_bytes: int
) -> dict[int, tuple[str, str]]:
    if (schema_ids != -1).all():
        return {}
    not_framed = (Reason.NOT_FRAMED, _NO_FRAME)
    bad: dict[int, tuple[str, str]] = dict.fromkeys(np.flatnonzero((schema_ids == -1) & ~is_null).tolist(), not_framed)
    over = (Reason.OVERSIZE, f"the value has more than {max_bytes} bytes")
    return bad | dict.fromkeys(np.flatnonzero(oversize).tolist(), over)
