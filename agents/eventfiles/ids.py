"""Ids for events that come without one: the same file gives the same ids."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping

_ID_BYTES = 12


def fill_event_ids(columns: Mapping[str, pa.Array], positions: pa.Array) -> pa.Array:
    """`event_id` with nulls replaced by a hash of the row's converted values and its position in the file.

    The position keeps two equal rows apart: a file says that both happened.
    """
    given = columns["event_id"]
    if given.null_count == 0:
        return given
    parts = [
        pc.fill_null(values.cast(pa.string()), "\x00")
        for name, values in columns.items()
        if name != "event_id" and not pa.types.is_nested(values.type)
    ]
    content = pc.binary_join_element_wise(*parts, positions.cast(pa.string()), "\x1f").cast(pa.binary())
    if given.null_count < len(given):
        content = pc.if_else(given.is_null(), content, pa.scalar(None, pa.binary()))
    derived = [None if row is None else blake2b(row, digest_size=_ID_BYTES).hexdigest() for row in content.to_pylist()]
    return pc.coalesce(given, pa.array(derived, pa.string()))
