"""One event file as columns: CSV, JSON lines or Parquet, plain or gzipped. Nothing is converted yet."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from agents.eventfiles.csvfile import CsvTable, Header, header, joined, lines_of, read_csv, row_end
from schemas.errors import ForeshockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

TEXT_SUFFIXES = (".csv", ".jsonl")
SUFFIXES = (*TEXT_SUFFIXES, *(f"{suffix}.gz" for suffix in TEXT_SUFFIXES), ".parquet")
WHOLE = -1
"""The size of a piece that is the whole file."""
_LEAST_ROWS = 1024
_ESCAPED_KEY = re.compile(rb'\\u[0-9a-fA-F]{4}[^"]*"\s*:')
"""A key that may be the same as one that looks different."""


class UnreadableError(ForeshockError):
    """The file as a whole cannot be read; the message says why."""


class Malformed(NamedTuple):
    """A row that is no record at all."""

    row: int
    reason: str
    value: str
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawColumns:
    """Known columns of a file, or of a piece of it, as found."""

    columns: dict[str, pa.Array]
    rows: int
    ignored: tuple[str, ...]
    """Columns that no event has; one without a name is empty."""
    malformed: tuple[Malformed, ...] = ()
    blank: int = 0
    """Rows without a single value, which are skipped."""
    row_numbers: Callable[[], Sequence[int]]
    """Number of each row as a person counts: lines of a text file (a header is line 1), else rows from 1."""


def read_blocks(path: Path, known: pa.Schema, block_bytes: int) -> Iterator[RawColumns]:
    """Read the known columns of a file, in pieces of about a size; what it holds follows from the end of its name.

    Raises:
        UnreadableError: the file cannot be opened, is damaged, is not UTF-8 or is not of the kind its name
        says.
    """
    try:
        name = path.name.lower()
        if name.endswith(".parquet"):
            yield from _parquet(path, known, block_bytes)
            return
        stream: IO[bytes]
        with cast("IO[bytes]", gzip.open(path)) if name.endswith(".gz") else path.open("rb") as stream:
            read = _csv if name.removesuffix(".gz").endswith(".csv") else _jsonl
            yield from read(stream, known, block_bytes)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise UnreadableError(_first_line(error)) from error


def _text_blocks(stream: IO[bytes], block_bytes: int, end_of: Callable[[bytes], int]) -> Iterator[tuple[bytes, int]]:
    """Pieces of a text that end with a row, and how many lines come before each."""
    lines, rest, piece = 0, b"", stream.read(block_bytes).removeprefix(b"\xef\xbb\xbf")
    while True:
        following = stream.read(block_bytes) if piece else b""
        rest += piece
        end = end_of(rest) if following else len(rest)
        if end or not following:
            block, rest = rest[:end], rest[end:]
            _require_utf8(block, lines)
            yield block, lines
            lines += _line_ends(block)
        if not following:
            return
        piece = following


def _line_ends(text: bytes) -> int:
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _parquet(path: Path, known: pa.Schema, block_bytes: int) -> Iterator[RawColumns]:
    # Times of the old kind of 96 bits reach further than nanoseconds do.
    file = pyarrow.parquet.ParquetFile(path, coerce_int96_timestamp_unit="us")
    names = file.schema_arrow.names
    _refuse_twice(names)
    wanted = [name for name in names if name in known.names]
    count = file.metadata.num_rows
    size = sum(file.metadata.row_group(place).total_byte_size for place in range(file.metadata.num_row_groups))
    rows_at_once = count + 1 if block_bytes == WHOLE else max(_LEAST_ROWS, block_bytes * count // max(size, 1))
    tables = (pa.Table.from_batches([batch]) for batch in file.iter_batches(rows_at_once, columns=wanted))
    first = 1
    for table in tables if count and wanted else [file.read(columns=wanted)]:
        rows = count if not wanted else table.num_rows
        numbers = range(first, first + rows)
        yield RawColumns(
            columns=_arrays(table), rows=rows, ignored=_others(names, known), row_numbers=partial(_same, numbers)
        )
        first += rows


def _same(numbers: Sequence[int]) -> Sequence[int]:
    return numbers


def _arrays(table: pa.Table) -> dict[str, pa.Array]:
    return {name: joined(table.column(name)) for name in table.column_names}


def _others(names: Iterable[str], known: pa.Schema) -> tuple[str, ...]:
    return tuple(name for name in names if name not in known.names)


def _refuse_twice(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        msg = f"column {', '.join(twice)} appears twice"
        raise UnreadableError(msg)


def _csv(stream: IO[bytes], known: pa.Schema, block_bytes: int) -> Iterator[RawColumns]:
    head = Header([], b"", 0)
    found: list[str] = []
    for block, before in _text_blocks(stream, block_bytes, row_end):
        text, skipped = block, 0
        if head.names:
            text, skipped = head.text + block, before - head.lines
        else:
            head = header(block)
            if not head.names:
                break
            found = _known_columns(head.names, known)
        table = read_csv(text, head.names, found)
        yield RawColumns(
            columns=table.columns,
            rows=table.rows,
            ignored=_others(head.names, known),
            malformed=tuple(Malformed(row.line + skipped, row.wrong, ",".join(row.fields)) for row in table.malformed),
            blank=table.blank,
            row_numbers=partial(_shifted, table, text, skipped),
        )
    if not head.names:
        msg = "the file is empty: a header line is needed"
        raise UnreadableError(msg)


def _shifted(table: CsvTable, text: bytes, lines: int) -> Sequence[int]:
    return [line + lines for line in lines_of(table, text)]


def _known_columns(names: Sequence[str], known: pa.Schema) -> list[str]:
    _refuse_twice(names)
    found = [name for name in names if name in known.names]
    if not found:
        msg = f"no known column in the header line ({', '.join(names)[:200]}); columns are separated by commas"
        raise UnreadableError(msg)
    return found


def _require_utf8(text: bytes, lines: int) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        line = lines + text.count(b"\n", 0, error.start) + 1
        msg = f"line {line} is not UTF-8; save the file as UTF-8"
        raise UnreadableError(msg) from error


def _jsonl(stream: IO[bytes], known: pa.Schema, block_bytes: int) -> Iterator[RawColumns]:
    for text, before in _text_blocks(stream, block_bytes, _line_end):
        yield _json_columns(text, known, before)


def _line_end(text: bytes) -> int:
    return (text.rfind(b"\n") + 1) or (text.rfind(b"\r", 0, -1) + 1)


def _json_columns(text: bytes, known: pa.Schema, before: int) -> RawColumns:
    texts = [field for field in known if field.type == pa.string()]
    if _ESCAPED_KEY.search(text):
        return _jsonl_by_line(text, known, before)
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
        return _jsonl_by_line(text, known, before)
    names = table.column_names
    columns = _arrays(table.select([name for name in names if name in known.names]))
    if not all(_is_faithful(text, name, values) for name, values in columns.items()):
        return _jsonl_by_line(text, known, before)
    return RawColumns(
        columns=columns,
        rows=table.num_rows,
        ignored=_others(names, known),
        row_numbers=lambda: [line + before for line, _ in _json_lines(text)],
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


def _jsonl_by_line(text: bytes, known: pa.Schema, before: int) -> RawColumns:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    keys = [f'"{name}"'.encode() for name in known.names]
    texts = [field.name for field in known if field.type == pa.string()]
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    malformed: list[Malformed] = []
    for at, line in _json_lines(text):
        number = at + before
        try:
            record = decode(line)
            if any(line.count(key) > 1 for key in keys) or _ESCAPED_KEY.search(line):
                json.loads(line, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            malformed.append(Malformed(number, f"not a JSON object: {error}", line.decode()))
            continue
        wrong = next((name for name in texts if isinstance(record.get(name), bool | list | dict)), None)
        if wrong is not None:
            malformed.append(Malformed(number, "not a text", _as_text(record[wrong]) or "", wrong))
            continue
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
