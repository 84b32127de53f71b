"""One event file as columns: CSV, JSON lines or Parquet, plain or gzipped. Nothing is converted yet."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from agents.eventfiles.csvfile import csv_rows, header, joined, read_csv
from schemas.errors import ForeshockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

TEXT_SUFFIXES = (".csv", ".jsonl")
SUFFIXES = (*TEXT_SUFFIXES, *(f"{suffix}.gz" for suffix in TEXT_SUFFIXES), ".parquet")


class UnreadableError(ForeshockError):
    """The file as a whole cannot be read; the message says why."""


class Malformed(NamedTuple):
    """A row that is no record at all."""

    row: int
    reason: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RawColumns:
    """Known columns of a file, as found."""

    columns: dict[str, pa.Array]
    rows: int
    ignored: tuple[str, ...]
    """Columns that no event has; one without a name is empty."""
    malformed: tuple[Malformed, ...] = ()
    blank: int = 0
    """Rows without a single value, which are skipped."""
    row_numbers: Callable[[], Sequence[int]]
    """Number of each row as a person counts: lines of a text file (a header is line 1), else rows from 1."""


def read_columns(path: Path, known: pa.Schema) -> RawColumns:
    """Read the known columns of a file; what it holds follows from the end of its name.

    Raises:
        UnreadableError: the file cannot be opened, is damaged, is not UTF-8 or is not of the kind its name
        says.
    """
    try:
        name = path.name.lower()
        if name.endswith(".parquet"):
            return _parquet(path, known)
        data = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
        read = _csv if name.removesuffix(".gz").endswith(".csv") else _jsonl
        return read(data, known)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise UnreadableError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _parquet(path: Path, known: pa.Schema) -> RawColumns:
    # Times of the old kind of 96 bits reach further than nanoseconds do.
    file = pyarrow.parquet.ParquetFile(path, coerce_int96_timestamp_unit="us")
    names = file.schema_arrow.names
    _refuse_twice(names)
    table = file.read(columns=[name for name in names if name in known.names])
    rows = file.metadata.num_rows
    return RawColumns(
        columns=_arrays(table), rows=rows, ignored=_others(names, known), row_numbers=lambda: range(1, rows + 1)
    )


def _arrays(table: pa.Table) -> dict[str, pa.Array]:
    return {name: joined(table.column(name)) for name in table.column_names}


def _others(names: Iterable[str], known: pa.Schema) -> tuple[str, ...]:
    return tuple(name for name in names if name not in known.names)


def _refuse_twice(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        msg = f"column {', '.join(twice)} appears twice"
        raise UnreadableError(msg)


def _csv(data: bytes, known: pa.Schema) -> RawColumns:
    text = data.removeprefix(b"\xef\xbb\xbf")
    _require_utf8(text)
    names = header(text)
    if not names:
        msg = "the file is empty: a header line is needed"
        raise UnreadableError(msg)
    _refuse_twice(names)
    found = [name for name in names if name in known.names]
    if not found:
        msg = f"no known column in the header line ({', '.join(names)[:200]}); columns are separated by commas"
        raise UnreadableError(msg)
    table = read_csv(text, names, found)
    return RawColumns(
        columns=table.columns,
        rows=table.rows,
        ignored=_others(names, known),
        malformed=tuple(Malformed(row.line, row.wrong, ",".join(row.fields)) for row in table.malformed),
        blank=table.blank,
        row_numbers=lambda: [row.line for row in csv_rows(text)][1:] if table.lines is None else table.lines,
    )


def _require_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        msg = f"line {line} is not UTF-8; save the file as UTF-8"
        raise UnreadableError(msg) from error


def _jsonl(data: bytes, known: pa.Schema) -> RawColumns:
    text = data.removeprefix(b"\xef\xbb\xbf")
    _require_utf8(text)
    texts = [field for field in known if field.type == pa.string()]
    try:
        table = _json_table(text, texts)
        # Only the text of a time says whether it has an offset.
        times = [
            field.name for field in table.schema if pa.types.is_timestamp(field.type) and field.name in known.names
        ]
        if times:
            table = _json_table(text, [*texts, *(pa.field(name, pa.string()) for name in times)])
    except pa.ArrowInvalid:
        # Something is malformed, or a field has values of two types.
        return _jsonl_by_line(text, known)
    names = table.column_names
    columns = _arrays(table.select([name for name in names if name in known.names]))
    if not all(_is_faithful(text, name, values) for name, values in columns.items()):
        return _jsonl_by_line(text, known)
    return RawColumns(
        columns=columns,
        rows=table.num_rows,
        ignored=_others(names, known),
        row_numbers=lambda: [line for line, _ in _json_lines(text)],
    )


def _json_table(text: bytes, texts: Sequence[pa.Field]) -> pa.Table:
    # Without a schema a text that looks like a date would be taken for one.
    return pyarrow.json.read_json(
        pa.BufferReader(text), parse_options=pyarrow.json.ParseOptions(explicit_schema=pa.schema(texts))
    )


def _is_faithful(text: bytes, name: str, values: pa.Array) -> bool:
    """Whether a column read in bulk is sure to be what the lines say.

    Of a key that comes twice one value would be lost, and objects within an object would get the keys of each other.
    """
    if pa.types.is_struct(values.type) and not all(
        pa.types.is_string(field.type) or pa.types.is_null(field.type) for field in values.type
    ):
        return False
    key = f'"{name}"'.encode()
    nulls = len(re.findall(key + rb"\s*:\s*null", text)) if values.null_count else 0
    return text.count(key) == nulls + len(values) - int(values.null_count)


def _json_lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped:
            yield number, stripped


def _jsonl_by_line(text: bytes, known: pa.Schema) -> RawColumns:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    keys = [f'"{name}"'.encode() for name in known.names]
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    malformed: list[Malformed] = []
    for number, line in _json_lines(text):
        try:
            record = decode(line)
            if any(line.count(key) > 1 for key in keys):
                json.loads(line, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            malformed.append(Malformed(number, f"not a JSON object: {error}", line.decode()))
        else:
            records.append(record)
            numbers.append(number)
    names = dict.fromkeys(name for record in records for name in record)
    columns = {
        field.name: _any_array([record.get(field.name) for record in records], as_text=pa.types.is_map(field.type))
        for field in known
        if field.name in names
    }
    return RawColumns(
        columns=columns,
        rows=len(records),
        ignored=_others(names, known),
        malformed=tuple(malformed),
        row_numbers=lambda: numbers,
    )


def _once(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _value in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"key {', '.join(twice)} comes twice"
        raise ValueError(msg)


def _any_array(values: list[Any], *, as_text: bool) -> pa.Array:
    """Values of one type as they are, others as text, which is read again as what is wanted."""
    if not as_text:
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass
    return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(value)
    return msgspec.json.encode(value).decode()
