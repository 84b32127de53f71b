"""One event file as columns: CSV, JSON lines or Parquet, plain or gzipped. Nothing is converted yet."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from schemas.errors import ForeshockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
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


@dataclass(frozen=True, slots=True)
class RawColumns:
    """Known columns of a file, as found."""

    columns: dict[str, pa.Array]
    rows: int
    ignored: tuple[str, ...]
    """Columns that no event has."""
    malformed: tuple[Malformed, ...]
    row_numbers: Callable[[], Sequence[int]]
    """Number of each row as a person counts: lines of a text file (a header is line 1), else rows from 1."""


def read_columns(path: Path, known: pa.Schema) -> RawColumns:
    """Read the known columns of a file.

    Raises:
        UnreadableError: the file cannot be opened, is damaged, is not UTF-8 or is not of the kind its name
        says.
    """
    try:
        if path.suffix == ".parquet":
            return _parquet(path, known)
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        read = _csv if ".csv" in path.suffixes else _jsonl
        return read(data, known)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise UnreadableError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _parquet(path: Path, known: pa.Schema) -> RawColumns:
    file = pyarrow.parquet.ParquetFile(path)
    names = file.schema_arrow.names
    table = file.read(columns=[name for name in names if name in known.names])
    rows = file.metadata.num_rows
    ignored = tuple(name for name in names if name not in known.names)
    return RawColumns(_arrays(table), rows, ignored, (), lambda: range(1, rows + 1))


def _arrays(table: pa.Table) -> dict[str, pa.Array]:
    return {name: _joined(table.column(name)) for name in table.column_names}


def _joined(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined


def _csv(data: bytes, known: pa.Schema) -> RawColumns:
    text = data.removeprefix(b"\xef\xbb\xbf")
    _require_utf8(text)
    names = next(csv.reader(io.StringIO(text[: _line_end(text)].decode())), [])
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        msg = f"column {', '.join(twice)} appears twice" if twice else "the file is empty: a header line is needed"
        raise UnreadableError(msg)
    found = [name for name in names if name in known.names]
    if not found:
        msg = f"no known column in the header line ({', '.join(names)[:200]}); columns are separated by commas"
        raise UnreadableError(msg)
    skipped: list[None] = []

    def skip(_row: Any) -> str:
        skipped.append(None)
        return "skip"

    table = pyarrow.csv.read_csv(
        pa.BufferReader(text),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=b'"' in text, invalid_row_handler=skip),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(found, pa.string()),
            include_columns=found,
            strings_can_be_null=True,
            null_values=[""],
        ),
    )
    return RawColumns(
        columns=_arrays(table),
        rows=table.num_rows,
        ignored=tuple(name for name in names if name not in known.names),
        malformed=tuple(_bad_csv_lines(text, len(names))) if skipped else (),
        row_numbers=lambda: [line for line, fields in _csv_records(text) if len(fields) == len(names)][1:],
    )


def _line_end(text: bytes) -> int:
    end = text.find(b"\n")
    return len(text) if end < 0 else end


def _require_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        msg = f"line {line} is not UTF-8; save the file as UTF-8"
        raise UnreadableError(msg) from error


def _csv_records(text: bytes) -> Iterator[tuple[int, list[str]]]:
    """First line number and fields of each record that is not blank."""
    reader = csv.reader(io.StringIO(text.decode(), newline=""))
    line = 1
    for fields in reader:
        if fields:
            yield line, fields
        line = reader.line_num + 1


def _bad_csv_lines(text: bytes, width: int) -> Iterator[Malformed]:
    for line, fields in _csv_records(text):
        if len(fields) != width:
            yield Malformed(line, f"{len(fields)} fields instead of {width}", ",".join(fields))


def _jsonl(data: bytes, known: pa.Schema) -> RawColumns:
    text = data.removeprefix(b"\xef\xbb\xbf")
    _require_utf8(text)
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(text),
            # Without this a text that looks like a date would be taken for one.
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=pa.schema([field for field in known if field.type == pa.string()])
            ),
        )
    except pa.ArrowInvalid:
        # Something is malformed, or a field has values of two types.
        return _jsonl_by_line(text, known)
    names = table.column_names
    return RawColumns(
        columns=_arrays(table.select([name for name in names if name in known.names])),
        rows=table.num_rows,
        ignored=tuple(name for name in names if name not in known.names),
        malformed=(),
        row_numbers=lambda: [number for number, _line in _json_lines(text)],
    )


def _json_lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(text.split(b"\n"), 1):
        stripped = line.strip()
        if stripped:
            yield number, stripped


def _jsonl_by_line(text: bytes, known: pa.Schema) -> RawColumns:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    malformed: list[Malformed] = []
    for number, line in _json_lines(text):
        try:
            records.append(decode(line))
            numbers.append(number)
        except msgspec.DecodeError as error:
            malformed.append(Malformed(number, f"not a JSON object: {error}", line.decode()))
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: _any_array([record.get(name) for record in records]) for name in names if name in known.names}
    ignored = tuple(name for name in names if name not in known.names)
    return RawColumns(columns, len(records), ignored, tuple(malformed), lambda: numbers)


def _any_array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        # Values of several types: as text, which the conversion to the wanted type reads again.
        return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
