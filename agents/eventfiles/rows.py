"""The rows of one event file, converted and checked; every bad one is left out and reported."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agents.eventfiles.arrival import ARRIVED_AT, file_schema, read_schema
from agents.eventfiles.convert import ID, TIME, TimesAs, convert, is_text, time_fields
from agents.eventfiles.ids import ID_CHARACTERS
from agents.eventfiles.prices import PRICES, TOO_SHORT, normalised
from agents.eventfiles.read import RawColumns, UnreadableError
from agents.eventfiles.types import Rejected
from pipeline.simulate.tables import arrow_schema
from pipeline.terms.arrays import I64, Bools
from schemas.codec.encoded_size import record_sizes
from schemas.columns import broken_rules, wrong_at
from schemas.rules import likely_cause
from schemas.validation import EVENT_ID

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


class Checked(NamedTuple):
    """Good rows of a piece of a file in its order, and what was wrong with the others."""

    table: pa.Table
    numbers: I64
    """Number of each good row as a person counts."""
    rows: int
    """Good and bad."""
    rejected: list[Rejected]


class Checking:
    """Converts the columns of a file that holds records of a schema, and holds its rules against them."""

    def __init__(
        self, schema_name: str, file: str, *, times_as: TimesAs, latest_ms: int | None, record_bytes: int
    ) -> None:
        """Begin a file.

        Args:
            schema_name: a name in `schemas.validation.RULES`.
            file: its name.
            times_as: how its times are written.
            latest_ms: event times beyond are in the future; None: there is no future.
            record_bytes: a row that would be a longer record is bad.
        """
        self.schema_name = schema_name
        self._file = file
        self._times_as = times_as
        self._latest_ms = latest_ms
        self._record_bytes = record_bytes
        self._times = {*time_fields(schema_name), ARRIVED_AT}
        self._found: dict[str, None] = {}
        self._ignored: dict[str, int] = {}
        self._markers: dict[tuple[str, str], int] = {}
        self._blank = self._rows = 0

    def check(self, raw: RawColumns) -> Checked:
        """Take a piece of the file."""
        schema = file_schema(self.schema_name)
        self._found |= dict.fromkeys(raw.columns)
        self._ignored |= Counter(raw.ignored)
        self._blank += raw.blank
        self._rows += raw.rows
        rejects = _Rejects(raw, self._file)
        columns = {field.name: self._column(field, raw, rejects) for field in read_schema(self.schema_name)}
        if self.schema_name in PRICES:
            rejects.add(normalised(columns), "price_days", TOO_SHORT)
        rows = pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)
        named: dict[str, Bools] = {}
        for broken in broken_rules(self.schema_name, rows, self._latest_ms):
            before = named.get(broken.field, np.zeros(raw.rows, dtype=bool))
            named[broken.field] = before | broken.rows
            rejects.add(broken.rows & ~before, broken.field, partial(wrong_at, broken.rule, rows.column(broken.field)))
        sizes = record_sizes(
            self.schema_name, _with_ids(rows.drop_columns([ARRIVED_AT]), EVENT_ID.get(self.schema_name))
        )
        rejects.add(sizes > self._record_bytes, "", f"more than {self._record_bytes:,} bytes as a record")
        numbers = np.array(raw.row_numbers(), dtype=np.int64)
        if not rejects.kept.all():
            rows = rows.filter(pa.array(rejects.kept))
        return Checked(
            pa.Table.from_batches([rows]), numbers[rejects.kept], raw.rows + len(raw.malformed), rejects.all(numbers)
        )

    def require_columns(self) -> None:
        """Raise UnreadableError if no piece had a column that is required."""
        lacking = [
            field.name
            for field in arrow_schema(self.schema_name)
            if not field.nullable and field.name not in (*self._found, *DEFAULTS, EVENT_ID.get(self.schema_name))
        ]
        # An empty JSON lines file has no columns at all.
        if lacking and (self._rows or self._found):
            meant = {name: near for near in self._ignored for name in _nearest(near, lacking)}
            wanted = ", ".join(
                f"{name} (did you mean it by {meant[name]}?)" if name in meant else name for name in lacking
            )
            msg = f"required columns are missing: {wanted}; found {', '.join(self._found) or 'none'}"
            raise UnreadableError(msg)

    def notes(self) -> list[str]:
        """What was left out although no row was, a line each."""
        return [f"{self._file}: {note}" for note in self._noted()]

    def _noted(self) -> Iterator[str]:
        free = [name for name in arrow_schema(self.schema_name).names if name not in self._found]
        unnamed = sum(count for name, count in self._ignored.items() if not name.strip())
        if unnamed:
            yield f"{unnamed} columns without a name are left out"
        if self._blank:
            yield f"{self._blank} blank rows are skipped"
        for name in filter(str.strip, self._ignored):
            hint = "".join(f"; did you mean {near}?" for near in _nearest(name, free))
            yield f"column {name} is not known and is left out{hint}"
        for (name, marker), count in self._markers.items():
            yield f"{name}: {count} times {marker}, taken for nothing"

    def _column(self, field: pa.Field, raw: RawColumns, rejects: _Rejects) -> pa.Array:
        """A column as an event has it."""
        default, found = DEFAULTS.get(field.name), raw.columns.get(field.name)
        required = not field.nullable and field.name != EVENT_ID.get(self.schema_name)
        if found is None:
            if default is None and required:
                rejects.add(np.ones(raw.rows, dtype=bool), field.name, "missing")
            return pa.nulls(raw.rows, field.type) if default is None else pa.repeat(default, raw.rows)
        found, markers = without_markers(found)
        for marker, count in markers:
            self._markers[field.name, marker] = self._markers.get((field.name, marker), 0) + count
        if field.name in self._times:
            values, bad = convert(found, TIME, self._times_as)
            rejects.add(bad, field.name, lambda row: _no_time(found[row]))
        else:
            values, bad = convert(found, ID if field.name.endswith("_id") else field.type)
            rejects.add(bad, field.name, _expected(field))
        if default is not None:
            return values.fill_null(default)
        if required:
            rejects.add(_missing(values) & ~bad, field.name, "missing")
        return values


def _nearest(name: str, known: Sequence[str]) -> list[str]:
    """The one of the known names that a column may be meant to have, if any."""
    plain = {_plain(each): each for each in known}
    return [plain[each] for each in get_close_matches(_plain(name), plain, n=1, cutoff=0.75)]


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def without_markers(values: pa.Array) -> tuple[pa.Array, list[tuple[str, int]]]:
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

    def all(self, numbers: I64) -> list[Rejected]:
        """In the order of the rows."""
        out = [Rejected(self._file, bad.row, bad.field, bad.reason, _shown(bad.value)) for bad in self._raw.malformed]
        for row, field, reason in self._found:
            column = self._raw.columns.get(field)
            value = "" if column is None else _found(column[row])
            out.append(Rejected(self._file, int(numbers[row]), field, reason, value))
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


def _with_ids(rows: pa.RecordBatch, field: str | None) -> pa.RecordBatch:
    """The rows with ids of the length of those that are made for them later."""
    if field is None:
        return rows
    place = rows.schema.get_field_index(field)
    return rows.set_column(place, rows.schema.field(place), rows.column(place).fill_null("0" * ID_CHARACTERS))


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
