"""The Confluent wire format: a zero byte, four bytes of schema id (big-endian), then one Avro record.

Newer clients name the schema in a header instead, and the value is the Avro record alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pyarrow as pa

from schemas.arrays import valid
from schemas.codec.rows import FRAME_BYTES, NO_FRAME
from schemas.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from schemas.codec.batch import I64

JSON = -2
"""In place of a schema id."""
HEADER = "__value_schema_id"
"""Holds a zero byte and four bytes of schema id, or a one byte and the 16 bytes of the schema's GUID."""
IN_HEADER = 2**32
"""Stands for the first of the schemas that headers name; greater than any schema id."""
_BRACE = ord("{")


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of a batch; one entry per record in every array."""

    schema_ids: I64
    """-1 where there is no usable frame, `JSON` where the value is a JSON object instead; from `IN_HEADER` on, where
    the value has no frame, it counts through `named`."""
    body_sizes: I64
    """Bytes behind the frame, if there is one."""
    is_null: npt.NDArray[np.bool_]
    bad: dict[int, tuple[str, str]]
    """Reason and detail by place in the batch."""
    named: list[int | str]
    """Ids and GUIDs of schemas that headers name."""


Headers = Sequence[tuple[str, bytes | None]]
"""Of one record."""


def parse(values: Sequence[bytes | None], max_bytes: int, headers: Sequence[Headers] = ()) -> Frames:
    """Look at the frames of all values at once, and at what headers say of them, if there are any."""
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
    body_sizes = sizes - FRAME_BYTES
    named: dict[int | str, int] = {}
    unclear: dict[int, tuple[str, str]] = {}
    for place, said in _in_headers(headers):
        if is_null[place] or oversize[place] or schema_ids[place] == JSON:
            continue
        name = _named(said)
        body_sizes[place] = sizes[place]
        schema_ids[place] = -1 if name is None else IN_HEADER + named.setdefault(name, len(named))
        if name is None:
            unclear[place] = (Reason.NOT_FRAMED, _NO_NAME)
    bad = _bad(schema_ids, is_null, oversize, max_bytes) | unclear
    return Frames(schema_ids, body_sizes, is_null, bad, list(named))


def _in_headers(headers: Sequence[Headers]) -> Iterator[tuple[int, bytes]]:
    """Places of the records whose headers name a schema, and what they say."""
    for place, given in enumerate(headers):
        for name, said in given:
            if name == HEADER:
                yield place, said or b""
                break


def _named(said: bytes) -> int | str | None:
    if len(said) == FRAME_BYTES and said[0] == 0:
        return int.from_bytes(said[1:], "big")
    if len(said) == _GUID_BYTES and said[0] == 1:
        return str(UUID(bytes=said[1:]))
    return None


_GUID_BYTES = 17
_NO_NAME = f"the header {HEADER} holds neither a zero byte and a schema id nor a one byte and a GUID"


def _bad(
    schema_ids: I64, is_null: npt.NDArray[np.bool_], oversize: npt.NDArray[np.bool_], max_bytes: int
) -> dict[int, tuple[str, str]]:
    if (schema_ids != -1).all():
        return {}
    not_framed = (Reason.NOT_FRAMED, NO_FRAME)
    bad: dict[int, tuple[str, str]] = dict.fromkeys(np.flatnonzero((schema_ids == -1) & ~is_null).tolist(), not_framed)
    over = (Reason.OVERSIZE, f"the value has more than {max_bytes} bytes")
    return bad | dict.fromkeys(np.flatnonzero(oversize).tolist(), over)
