"""The rows of one event file, converted and checked; every bad one is left out and reported."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agents.eventfiles.arrival import ARRIVED_AT, file_schema
from agents.eventfiles.convert import ID, TIME, TimesAs, convert, is_text, time_fields
from agents.eventfiles.ids import fill_event_ids
from agents.eventfiles.read import RawColumns, UnreadableError
from agents.eventfiles.types import Rejected
from pipeline.simulate.tables import arrow_schema
from pipeline.terms.arrays import I64, Bools
from schemas.codec.encoded_size import record_sizes
from schemas.rules import likely_cause
from schemas.validation import broken_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


DEFAULTS: Mapping[str, Any] = {"quantity": 1.0, "priority": "p3"}
"""Values of required fields that a file may leave out."""
_SHOWN_CHARACTERS = 100
_NOTHING = pa.array(
    [
        *(each for word in ("null", "nan", "none", "n/a") for each in (word, word.upper(), word.capitalize())),
        *(r"\N", "NaN", "NaT", "<NA>", "#N/A"),
    ]
)
"""What other programs write for nothing. NA is not among them: it is Namibia."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """Good rows of a file in its order, and what was wrong with the others."""

    table: pa.Table
    rejected: list[Rejected]
    notes: list[str]
    """What was left out although no row was, a line each."""
    rows: int
    """Good and bad."""
    numbers: Callable[[], I64]
    """Number of each good row as a person counts."""


def check_rows(
    raw: RawColumns,
    schema_name: str,
    file: str,
    *,
    times_as: TimesAs,
    latest_ms: int | None,
    record_bytes: int,
) -> CheckedFile:
    """Convert the columns of a file that holds records of a schema, and hold its rules against them.

    Args:
        raw: the columns as found.
        schema_name: a name in `schemas.validation.RULES`.
        file: its name.
        times_as: how its times are written.
        latest_ms: event times beyond are in the future; None: there is no future.
        record_bytes: a row that would be a longer record is bad.

    Raises:
        UnreadableError: a required column is missing.
    """
    _require_columns(raw, schema_name)
    rejects, times = _Rejects(raw, file), {*time_fields(schema_name), ARRIVED_AT}
    notes = [f"{file}: {note}" for note in _ignored(raw, schema_name)]
    columns: dict[str, pa.Array] = {}
    for field in file_schema(schema_name):
        found = raw.columns.get(field.name)
        if found is not None:
            found, markers = _without_markers(found)
            notes += [f"{file}: {field.name}: {count} times {marker}, taken for nothing" for marker, count in markers]
        columns[field.name] = _column(field, found, raw.rows, rejects, times_as if field.name in times else None)
    if "event_id" in columns:
        columns["event_id"] = fill_event_ids(columns)
    rows = pa.RecordBatch.from_arrays(list(columns.values()), schema=file_schema(schema_name))
    named: dict[str, Bools] = {}
    for broken in broken_rules(schema_name, rows, latest_ms):
        before = named.get(broken.field, np.zeros(raw.rows, dtype=bool))
        named[broken.field] = before | broken.rows
        rejects.add(broken.rows & ~before, broken.field, partial(broken.rule.wrong_at, rows.column(broken.field)))
    sizes = record_sizes(schema_name, rows.drop_columns([ARRIVED_AT]))
    rejects.add(sizes > record_bytes, "", f"more than {record_bytes:,} bytes as a record")
    if not rejects.kept.all():
        rows = rows.filter(pa.array(rejects.kept))
    return CheckedFile(
        pa.Table.from_batches([rows]),
        rejects.all(),
        notes,
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
        meant = {name: near for near in raw.ignored for name in _nearest(near, lacking)}
        wanted = ", ".join(f"{name} (did you mean it by {meant[name]}?)" if name in meant else name for name in lacking)
        msg = f"required columns are missing: {wanted}; found {', '.join(raw.columns) or 'none'}"
        raise UnreadableError(msg)


def _nearest(name: str, known: Sequence[str]) -> list[str]:
    """The one of the known names that a column may be meant to have, if any."""
    plain = {_plain(each): each for each in known}
    return [plain[each] for each in get_close_matches(_plain(name), plain, n=1, cutoff=0.75)]


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _ignored(raw: RawColumns, schema_name: str) -> Iterator[str]:
    free = [name for name in arrow_schema(schema_name).names if name not in raw.columns]
    unnamed = sum(not name.strip() for name in raw.ignored)
    if unnamed:
        yield f"{unnamed} columns without a name are left out"
    if raw.blank:
        yield f"{raw.blank} blank rows are skipped"
    for name in filter(str.strip, raw.ignored):
        hint = "".join(f"; did you mean {near}?" for near in _nearest(name, free))
        yield f"column {name} is not known and is left out{hint}"


def _without_markers(values: pa.Array) -> tuple[pa.Array, list[tuple[str, int]]]:
    """A column with null where text stands for nothing, and how often which text did."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not is_text(values.type):
        return values, []
    marked = pc.is_in(values.cast(pa.string()), value_set=_NOTHING)
    if not marked.true_count:
        return values, []
    counts = pc.value_counts(values.filter(marked)).to_pylist()
    return pc.if_else(marked, pa.scalar(None, values.type), values), [
        (each["values"], each["counts"]) for each in counts
    ]


class _Rejects:
    """Collects what is wrong with the rows of one file."""

    def __init__(self, raw: RawColumns, file: str) -> None:
        self.kept: Bools = np.ones(raw.rows, dtype=bool)
        self._raw = raw
        self._file = file
        self._found: list[tuple[int, str, str]] = []

    def add(self, rows: Bools, field: str, reason: str | Callable[[int], str]) -> None:
        """The marked rows break a rule; the reason may depend on the row."""
        if rows.any():
            self.kept &= ~rows
            of = reason if callable(reason) else lambda _row: reason
            self._found += [(row, field, of(row)) for row in np.flatnonzero(rows).tolist()]

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


def _column(
    field: pa.Field, found: pa.Array | None, rows: int, rejects: _Rejects, times_as: TimesAs | None
) -> pa.Array:
    """A column as an event has it; `times_as` if it is a time."""
    default = DEFAULTS.get(field.name)
    if found is None:
        return pa.nulls(rows, field.type) if default is None else pa.repeat(default, rows)
    if times_as is not None:
        values, bad = convert(found, TIME, times_as)
        rejects.add(bad, field.name, lambda row: _no_time(found[row]))
    else:
        values, bad = convert(found, ID if field.name.endswith("_id") else field.type)
        rejects.add(bad, field.name, _expected(field))
    if default is not None:
        return values.fill_null(default)
    if not field.nullable and field.name != "event_id":
        rejects.add(_missing(values) & ~bad, field.name, "missing")
    return values


def _no_time(found: pa.Scalar) -> str:
    try:
        cause = likely_cause(float(_found(found)))
    except ValueError:
        cause = ""
    return f"not a time: epoch milliseconds or ISO 8601{': ' * bool(cause)}{cause}"


def _expected(field: pa.Field) -> str:
    if pa.types.is_integer(field.type):
        return "not a whole number"
    if pa.types.is_floating(field.type):
        return "not a finite number"
    if field.name.endswith("_id"):
        return "not a text or an exact whole number"
    return "not a text" if pa.types.is_string(field.type) else "not a list or map of texts"
