"""The rows of one event file, converted and checked; every bad one is left out and reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from agents.eventfiles.arrival import ARRIVED_AT, file_schema
from agents.eventfiles.convert import TIME, convert, time_fields
from agents.eventfiles.ids import fill_event_ids
from agents.eventfiles.read import RawColumns, UnreadableError
from agents.eventfiles.types import Rejected
from pipeline.simulate.tables import arrow_schema
from pipeline.terms.arrays import I64, Bools
from schemas.codec.encoded_size import record_sizes
from schemas.validation import broken_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


DEFAULTS: Mapping[str, Any] = {"quantity": 1.0, "priority": "p3"}
"""Values of required fields that a file may leave out."""
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """Good rows of a file in its order, and what was wrong with the others."""

    table: pa.Table
    rejected: list[Rejected]
    ignored: tuple[str, ...]
    rows: int
    """Good and bad."""
    numbers: Callable[[], I64]
    """Number of each good row as a person counts."""


def check_rows(
    raw: RawColumns, schema_name: str, file: str, *, latest_ms: int | None, record_bytes: int
) -> CheckedFile:
    """Convert the columns of a file that holds records of a schema, and hold its rules against them.

    Args:
        raw: the columns as found.
        schema_name: a name in `schemas.validation.RULES`.
        file: its name.
        latest_ms: event times beyond are in the future; None: there is no future.
        record_bytes: a row that would be a longer record is bad.

    Raises:
        UnreadableError: a required column is missing.
    """
    _require_columns(raw, schema_name)
    rejects = _Rejects(raw, file)
    columns = {field.name: values for field, values in _columns(raw, schema_name, rejects)}
    if "event_id" in columns:
        columns["event_id"] = fill_event_ids(columns)
    rows = pa.RecordBatch.from_arrays(list(columns.values()), schema=file_schema(schema_name))
    for broken in broken_rules(schema_name, rows, latest_ms):
        rejects.add(broken.rows, broken.field, str(broken.rule))
    sizes = record_sizes(schema_name, rows.drop_columns([ARRIVED_AT]))
    rejects.add(sizes > record_bytes, "", f"more than {record_bytes:,} bytes as a record")
    if not rejects.kept.all():
        rows = rows.filter(pa.array(rejects.kept))
    return CheckedFile(
        pa.Table.from_batches([rows]),
        rejects.all(),
        raw.ignored,
        raw.rows + len(raw.malformed),
        _numbers_of_kept(raw.row_numbers, rejects.kept),
    )


def _numbers_of_kept(number_all: Callable[[], Sequence[int]], kept: Bools) -> Callable[[], I64]:
    # The raw columns are not kept alive.
    return lambda: np.array(number_all(), dtype=np.int64)[kept]


def _require_columns(raw: RawColumns, schema_name: str) -> None:
    lacking = [
        field.name
        for field in arrow_schema(schema_name)
        if not field.nullable and field.name not in (*raw.columns, *DEFAULTS, "event_id")
    ]
    # An empty JSON lines file has no columns at all.
    if lacking and (raw.rows or raw.columns):
        msg = f"required columns are missing: {', '.join(lacking)}; found {', '.join(raw.columns) or 'none'}"
        raise UnreadableError(msg)


class _Rejects:
    """Collects what is wrong with the rows of one file."""

    def __init__(self, raw: RawColumns, file: str) -> None:
        self.kept: Bools = np.ones(raw.rows, dtype=bool)
        self._raw = raw
        self._file = file
        self._found: list[tuple[int, str, str]] = []

    def add(self, rows: Bools, field: str, reason: str) -> None:
        """The marked rows break a rule."""
        if rows.any():
            self.kept &= ~rows
            self._found += [(int(row), field, reason) for row in np.flatnonzero(rows)]

    def all(self) -> list[Rejected]:
        """In the order of the rows."""
        out = [Rejected(self._file, bad.row, "", bad.reason, _shown(bad.value)) for bad in self._raw.malformed]
        numbers = self._raw.row_numbers() if self._found else ()
        for row, field, reason in self._found:
            column = self._raw.columns.get(field)
            value = "" if column is None else _found(column[row])
            out.append(Rejected(self._file, numbers[row], field, reason, value))
        places = {name: place for place, name in enumerate(self._raw.columns)}
        return sorted(out, key=lambda reject: (reject.row, places.get(reject.field, -1)))


def _found(scalar: pa.Scalar) -> str:
    try:
        return _shown(scalar.as_py())
    except UnicodeDecodeError as error:
        return _shown(error.object)


def _shown(value: Any) -> str:
    return "" if value is None else str(value)[:_SHOWN_CHARACTERS]


def _missing(values: pa.Array) -> Bools:
    rows: Bools = np.asarray(values.is_null().to_numpy(zero_copy_only=False))
    return rows


def _columns(raw: RawColumns, schema_name: str, rejects: _Rejects) -> Iterator[tuple[pa.Field, pa.Array]]:
    times = {*time_fields(schema_name), ARRIVED_AT}
    for field in file_schema(schema_name):
        if field.name not in raw.columns:
            default = DEFAULTS.get(field.name)
            yield field, pa.nulls(raw.rows, field.type) if default is None else pa.repeat(default, raw.rows)
            continue
        is_time = field.name in times
        values, bad = convert(raw.columns[field.name], TIME if is_time else field.type)
        rejects.add(bad, field.name, _expected(field, is_time=is_time))
        if field.name in DEFAULTS:
            values = values.fill_null(DEFAULTS[field.name])
        elif not field.nullable and field.name != "event_id":
            rejects.add(_missing(values) & ~bad, field.name, "missing")
        yield field, values


def _expected(field: pa.Field, *, is_time: bool) -> str:
    if is_time:
        return "not a time: epoch milliseconds or ISO 8601"
    if pa.types.is_integer(field.type):
        return "not a whole number"
    if pa.types.is_floating(field.type):
        return "not a finite number"
    return "not a text" if pa.types.is_string(field.type) else "not a list or map of texts"
