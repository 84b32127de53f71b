"""Ids for events that come without one, and events that come more than once."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agents.eventfiles.arrival import ARRIVED_AT, EXPORT, FILE, ROW
from pipeline.terms.arrays import I64, Bools

if TYPE_CHECKING:
    from collections.abc import Mapping

_ID_BYTES = 12
ID_CHARACTERS = 2 * _ID_BYTES
_NO_CONTENT = (ARRIVED_AT, EXPORT, FILE, ROW)


class Repeats(NamedTuple):
    """Rows whose id stands in an earlier row too."""

    same: Bools
    """With the content of the first of them: the workers count that event once."""
    other: Bools
    """With other content, so that one of the two would be lost."""


def with_event_ids(table: pa.Table, field: str) -> pa.Table:
    """The table with null ids, in `field`, replaced by a hash of what the row says and how many equal ones come before.

    Those count that stand in the same export. So its equal rows are several events, and the same rows of another one
    are the same events. All rows of one time must be in the table, in their order.
    """
    given = table.column(field)
    if given.null_count == 0:
        return table
    columns = _taken(table, np.flatnonzero(given.is_null().to_numpy()))
    content = _content(columns, field)
    seen = _seen_before(_codes(content) * (pc.max(columns[EXPORT]).as_py() + 1) + columns[EXPORT].to_numpy())
    derived = [
        blake2b(text, digest_size=_ID_BYTES, salt=before.to_bytes(8, "little")).hexdigest()
        for text, before in zip(content.cast(pa.binary()).to_pylist(), seen.tolist(), strict=True)
    ]
    filled = pc.replace_with_mask(
        given.combine_chunks(), given.is_null().combine_chunks(), pa.array(derived, pa.string())
    )
    return table.set_column(table.schema.get_field_index(field), table.schema.field(field), filled)


def repeats_of(table: pa.Table, field: str) -> Repeats:
    """Which rows of a topic's table repeat an event; the first row of an event, as the files have them, does not."""
    same, other = np.zeros((2, table.num_rows), dtype=bool)
    order = np.lexsort((table.column(ROW).to_numpy(), table.column(FILE).to_numpy()))
    table = table.take(pa.array(order))
    codes = _codes(table.column(field).combine_chunks())
    _ids, first = np.unique(codes, return_index=True)
    again = np.setdiff1d(np.arange(len(codes)), first, assume_unique=True)
    if len(again):
        as_first = pc.equal(_content(_taken(table, again), field), _content(_taken(table, first[codes[again]]), field))
        same[order[again]] = as_first.to_numpy(zero_copy_only=False)
        other[order[again]] = ~same[order[again]]
    return Repeats(same, other)


def _codes(values: pa.Array) -> I64:
    """Numbers of the values, in order of appearance."""
    codes: I64 = values.dictionary_encode().indices.to_numpy()
    return codes


def _seen_before(codes: I64) -> I64:
    """How often each value stands in earlier places."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    seen = np.empty(len(codes), dtype=np.int64)
    seen[order] = np.arange(len(codes)) - np.searchsorted(ordered, ordered)
    return seen


def _taken(table: pa.Table, rows: I64) -> dict[str, pa.Array]:
    taken = table.take(pa.array(rows))
    return {name: taken.column(name).combine_chunks() for name in table.column_names}


def _content(columns: Mapping[str, pa.Array], field: str) -> pa.Array:
    """What each row says, as one text: `name=value` of all fields that it has, its id apart."""
    texts = [
        pc.binary_join_element_wise(pa.scalar(f"{name}="), _text(values), "")
        for name, values in columns.items()
        if name not in (field, *_NO_CONTENT) and values.null_count < len(values)
    ]
    return pc.binary_join_element_wise(*texts, "\x1f", null_handling="skip")


def _text(values: pa.Array) -> pa.Array:
    if not pa.types.is_nested(values.type):
        return values.cast(pa.string())
    return pa.array([None if value is None else _json(value) for value in values.to_pylist()], pa.string())


def _json(value: list[Any]) -> str:
    # A map is pairs, in an order that nobody chose.
    return msgspec.json.encode(sorted(value) if value and isinstance(value[0], tuple) else value).decode()
