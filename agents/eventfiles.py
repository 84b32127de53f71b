"""Event files: a folder with one file for each topic, read with every bad row reported and written back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np
import pyarrow as pa

from agents.eventfiles_checks import DEFAULTS, missing, problem_of, time_fields
from agents.eventfiles_convert import TIME, convert
from agents.eventfiles_ids import fill_event_ids
from agents.eventfiles_read import SUFFIXES, RawColumns, UnreadableError, read_columns
from pipeline.simulate.tables import arrow_schema
from schemas.topics import INPUT_TOPICS, TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agents.eventfiles_convert import Bool

TOPIC_OF: Mapping[str, str] = dict(
    zip(("usage", "billing", "tickets", "signals", "profiles"), INPUT_TOPICS, strict=True)
)
"""File name without suffixes → topic."""

_SHOWN_CHARACTERS = 100


class EventFileError(Exception):
    """Event files that cannot be used; `problems` has all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Rejected(NamedTuple):
    """One thing wrong with one row, which was left out."""

    file: str
    row: int
    """Line of a text file (a CSV header is line 1), row of a Parquet file counted from 1."""
    field: str
    """Empty when the row as a whole is malformed."""
    reason: str
    value: str
    """As found, shortened."""


class EventTables(Protocol):
    """What has a table of events for each topic."""

    @property
    def usage(self) -> pa.Table:
        """Usage events."""

    @property
    def billing(self) -> pa.Table:
        """Billing events."""

    @property
    def tickets(self) -> pa.Table:
        """Ticket events."""

    @property
    def signals(self) -> pa.Table:
        """Customer signals."""

    @property
    def profiles(self) -> pa.Table:
        """Account profiles."""


@dataclass(frozen=True, slots=True)
class EventFiles:
    """Events of each topic in order of the file, which is that of arrival; a missing file is an empty table.

    Columns are those of the reader schema: times as int64 milliseconds UTC, integers as int64.
    """

    usage: pa.Table
    billing: pa.Table
    tickets: pa.Table
    signals: pa.Table
    profiles: pa.Table
    rejected: tuple[Rejected, ...] = ()
    ignored_columns: tuple[tuple[str, str], ...] = ()
    """(file, column) of columns that no event of the topic has: perhaps a misspelt one."""
    rows_read: int = 0
    """Rows in the files, rejected ones included."""

    @classmethod
    def of(cls, tables: EventTables) -> Self:
        """The events of anything that has the five tables, as a simulated stream has."""
        events = cls(tables.usage, tables.billing, tables.tickets, tables.signals, tables.profiles)
        return replace(events, rows_read=events.rows)

    def by_topic(self) -> dict[str, pa.Table]:
        """Tables under the names of their topics, in the order in which the core numbers them."""
        return {topic: getattr(self, name) for name, topic in TOPIC_OF.items()}

    @property
    def rows(self) -> int:
        """Number of good rows."""
        return sum(table.num_rows for table in self.by_topic().values())


@dataclass(slots=True)
class _OneFile:
    table: pa.Table
    rejected: list[Rejected]
    ignored: tuple[str, ...]
    rows: int


def read_events(path: Path | str) -> EventFiles:
    """Read a folder of event files, or one of them; bad rows are left out and reported in `rejected`.

    Raises:
        EventFileError: no event file is there, one is unreadable, or a required column is missing.
    """
    files = find_files(Path(path))
    problems: list[str] = []
    read: dict[str, _OneFile] = {}
    for name, file in files.items():
        schema_name = TOPICS[TOPIC_OF[name]].schema
        try:
            raw = read_columns(file, arrow_schema(schema_name))
            _require_columns(raw, schema_name)
            read[name] = _check(raw, schema_name, file.name)
        except UnreadableError as error:
            problems.append(f"{file.name}: {error}")
    if problems:
        raise EventFileError(problems)
    return EventFiles(
        **{name: read[name].table if name in read else _empty(name) for name in TOPIC_OF},
        rejected=tuple(reject for one in read.values() for reject in one.rejected),
        ignored_columns=tuple(
            (files[name].name, column) for name, one in read.items() for column in one.ignored
        ),
        rows_read=sum(one.rows for one in read.values()),
    )


def find_files(path: Path) -> dict[str, Path]:
    """The event files at a path, by name without suffixes.

    Raises:
        EventFileError: there is none, or there are two of one name, or one of an unknown kind.
    """
    if not path.exists():
        raise EventFileError([f"{path} does not exist"])
    candidates = sorted(path.iterdir()) if path.is_dir() else [path]
    found: dict[str, Path] = {}
    problems: list[str] = []
    for file in candidates:
        name, _dot, rest = file.name.partition(".")
        if name not in TOPIC_OF or not rest:
            continue
        if f".{rest}" not in SUFFIXES:
            problems.append(f"{file.name}: unknown kind of file; known are {', '.join(SUFFIXES)}")
        elif name in found:
            problems.append(f"{file.name}: {found[name].name} is there too; keep one of them")
        else:
            found[name] = file
    if not found and not problems:
        wanted = ", ".join(f"{name}.*" for name in TOPIC_OF)
        problems.append(
            f"{path}: no event file; its name must be one of {wanted}, with {', '.join(SUFFIXES)}"
        )
    if problems:
        raise EventFileError(problems)
    return found


def _empty(name: str) -> pa.Table:
    return arrow_schema(TOPICS[TOPIC_OF[name]].schema).empty_table()


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
        self.kept: Bool = np.ones(raw.rows, dtype=bool)
        self._raw = raw
        self._file = file
        self._found: list[tuple[int, str, str]] = []

    def add(self, rows: Bool, field: str, reason: str) -> None:
        """The marked rows break a rule."""
        if rows.any():
            self.kept &= ~rows
            self._found += [(int(row), field, reason) for row in np.flatnonzero(rows)]

    def all(self) -> list[Rejected]:
        """In the order of the rows."""
        out = [
            Rejected(self._file, bad.row, "", bad.reason, _shown(bad.value)) for bad in self._raw.malformed
        ]
        numbers = self._raw.row_numbers() if self._found else ()
        for row, field, reason in self._found:
            column = self._raw.columns.get(field)
            value = "" if column is None else _shown(column[row].as_py())
            out.append(Rejected(self._file, numbers[row], field, reason, value))
        return sorted(out, key=lambda reject: reject.row)


def _shown(value: Any) -> str:
    return "" if value is None else str(value)[:_SHOWN_CHARACTERS]


def _check(raw: RawColumns, schema_name: str, file: str) -> _OneFile:
    rejects = _Rejects(raw, file)
    columns = {field.name: values for field, values in _columns(raw, schema_name, rejects)}
    positions = pa.array(np.arange(raw.rows))
    if "event_id" in columns:
        columns["event_id"] = fill_event_ids(columns, positions)
    table = pa.table(list(columns.values()), schema=arrow_schema(schema_name))
    if not rejects.kept.all():
        table = table.filter(pa.array(rejects.kept))
    return _OneFile(table, rejects.all(), raw.ignored, raw.rows + len(raw.malformed))


def _columns(raw: RawColumns, schema_name: str, rejects: _Rejects) -> Iterator[tuple[pa.Field, pa.Array]]:
    times = time_fields(schema_name)
    for field in arrow_schema(schema_name):
        if field.name not in raw.columns:
            default = DEFAULTS.get(field.name)
            yield field, pa.nulls(raw.rows, field.type) if default is None else pa.repeat(default, raw.rows)
            continue
        is_time = field.name in times
        values, bad = convert(raw.columns[field.name], TIME if is_time else field.type)
        rejects.add(bad, field.name, _expected(field, is_time=is_time))
        problem = problem_of(schema_name, field, values)
        if problem is not None:
            rejects.add(problem[0], field.name, problem[1])
        if field.name in DEFAULTS:
            values = values.fill_null(DEFAULTS[field.name])
        elif not field.nullable and field.name != "event_id":
            rejects.add(missing(values) & ~bad, field.name, "missing")
        yield field, values


def _expected(field: pa.Field, *, is_time: bool) -> str:
    if is_time:
        return "not a time: epoch milliseconds or ISO 8601"
    if pa.types.is_integer(field.type):
        return "not a whole number"
    if pa.types.is_floating(field.type):
        return "not a finite number"
    return "not a text" if pa.types.is_string(field.type) else "not a list or map of texts"
