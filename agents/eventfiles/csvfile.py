"""CSV as columns of text: every byte of every field, and what is no row rejected alone."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LONGEST_FIELD = 2**31 - 1
_LONGEST_ROW = 1 << 20
"""So far the end of a quote is looked for beyond a piece of a file."""
# The limit is the module's; the size of a row is judged as a record, like that of every other.
csv.field_size_limit(_LONGEST_FIELD)

_QUOTE, _LF, _CR = map(ord, '"\n\r')
_BEFORE = np.frombuffer(b',\r\n"', dtype=np.uint8)
"""What an opening quote stands after and a closing one before, if not at an end; a doubled quote closes and opens."""


class CsvRow(NamedTuple):
    """One row that is not blank, or what is wrong with it."""

    line: int
    """Of its first line, from 1."""
    fields: list[str]
    wrong: str = ""


class CsvTable(NamedTuple):
    """The rows of a CSV file that are as wide as its header, and the others."""

    columns: dict[str, pa.Array]
    rows: int
    malformed: tuple[CsvRow, ...] = ()
    blank: int = 0
    """Rows without a single value, which are skipped."""
    lines: Sequence[int] | None = None
    """Line of each row, if that has been looked at."""


class Header(NamedTuple):
    """The first row that is not empty."""

    names: list[str]
    """Of the columns; none in an empty file."""
    text: bytes
    """Up to the end of its line."""
    lines: int


def header(text: bytes) -> Header:
    """The header of a text."""
    reader = csv.reader(io.StringIO(text.decode(), newline=""))
    names = next(filter(None, reader), [])
    lines = io.StringIO(text.decode(), newline="")
    return Header(names, "".join(next(lines, "") for _ in range(reader.line_num)).encode(), reader.line_num)


def row_end(text: bytes) -> int:
    """Where the last whole row ends; 0 if none does.

    That is behind the last line end outside of quotes, or behind the last at all where a quote seems not to be closed.
    """
    found = np.frombuffer(text, dtype=np.uint8)
    after = np.append(found[1:], _LF)
    ends = np.flatnonzero((found == _LF) | ((found == _CR) & (after != _LF)))
    quotes = np.searchsorted(np.flatnonzero(found == _QUOTE), ends)
    outside = ends[quotes % 2 == 0]
    if len(outside):
        return int(outside[-1]) + 1
    return int(ends[-1]) + 1 if len(ends) and len(text) > _LONGEST_ROW else 0


def lines_of(table: CsvTable, text: bytes) -> Sequence[int]:
    """The line of each row, as an editor counts."""
    if table.lines is not None:
        return table.lines
    ends = text.count(b"\n") or text.count(b"\r")
    plain = b"\n" not in text or text.count(b"\r") == text.count(b"\r\n")
    if plain and ends + (text[-1:] not in b"\r\n") == table.rows + 1:
        return range(2, table.rows + 2)
    return [row.line for row in csv_rows(text)][1:]


def read_csv(text: bytes, names: Sequence[str], wanted: Sequence[str]) -> CsvTable:
    """Read the wanted columns of a text in UTF-8 with the given header; an empty field is null."""
    return _read_regular(text, names, wanted) or _read_rows(
        text, len(names), [names.index(name) for name in wanted], wanted
    )


def _read_regular(text: bytes, names: Sequence[str], wanted: Sequence[str]) -> CsvTable | None:
    """Fast; None where a quote is not closed, a row has another width, or one may be blank."""
    quoted = b'"' in text
    if text[:1] in b"\r\n" or (quoted and (len(text) > _LONGEST_FIELD or not _adds_up(text))):
        return None
    unique = [str(place) for place in range(len(names))]
    found = [unique[names.index(name)] for name in wanted]
    options = pyarrow.csv.ReadOptions(column_names=unique, skip_rows_after_names=1)
    if quoted:
        # Between two blocks the reader loses a byte of a line break in quotes.
        options.block_size = max(len(text), 1)
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(text),
            read_options=options,
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=quoted),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(found, pa.string()),
                include_columns=found,
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid:
        return None
    arrays = [joined(table.column(name)) for name in found]
    empty = np.logical_and.reduce([array.is_null().to_numpy(zero_copy_only=False) for array in arrays])
    if empty.any():
        return None
    return CsvTable(dict(zip(wanted, arrays, strict=True)), table.num_rows)


def _adds_up(text: bytes) -> bool:
    """Whether every quote opens or closes a field, or is doubled."""
    padded = np.frombuffer(b"\n%b\n" % text, dtype=np.uint8)
    quotes = np.flatnonzero(padded == _QUOTE)
    return (
        len(quotes) % 2 == 0
        and bool(np.isin(padded[quotes[::2] - 1], _BEFORE).all())
        and bool(np.isin(padded[quotes[1::2] + 1], _BEFORE).all())
    )


def joined(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece."""
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


def _read_rows(text: bytes, width: int, places: Sequence[int], wanted: Sequence[str]) -> CsvTable:
    good: list[CsvRow] = []
    malformed: list[CsvRow] = []
    blank = 0
    rows = csv_rows(text)
    next(rows)
    for row in rows:
        fields = row.fields
        if row.wrong:
            malformed.append(row)
        elif not any(fields):
            blank += 1
        elif len(fields) < width or any(fields[width:]):
            malformed.append(row._replace(wrong=f"{len(fields)} fields instead of {width}"))
        else:
            good.append(row)
    columns = {
        name: pa.array([row.fields[place] or None for row in good], pa.string())
        for name, place in zip(wanted, places, strict=True)
    }
    return CsvTable(columns, len(good), tuple(malformed), blank, [row.line for row in good])


def csv_rows(text: bytes) -> Iterator[CsvRow]:
    """Every row with its line, the header among them; empty lines are none.

    A row whose quotes do not add up ends with its line, so that it costs no other.
    """
    lines = list(io.StringIO(text.decode(), newline=""))
    start = 0
    while start < len(lines):
        reader = csv.reader((lines[place] for place in range(start, len(lines))), strict=True)
        first = start
        try:
            for fields in reader:
                if fields:
                    yield CsvRow(first + 1, fields)
                first = start + reader.line_num
        except csv.Error:
            yield _mended(first + 1, lines[first].rstrip("\r\n"))
            first += 1
        start = first


def _mended(number: int, line: str) -> CsvRow:
    """A row whose quotes are not doubled as they should be; still clear if each field has both of its own or none."""
    fields = line.split(",")
    if any(field.startswith('"') != (len(field) > 1 and field.endswith('"')) for field in fields):
        return CsvRow(number, fields, "a quote is not closed, or not doubled within quotes")
    return CsvRow(number, [field[1:-1] if field.startswith('"') else field for field in fields])
