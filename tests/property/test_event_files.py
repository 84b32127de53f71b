"""Event files in any order and shape give the events of the canonical file: one for each kind of difference."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from agents.eventfiles.files import MEMORY_BYTES, EventFiles, TimesAs, read_events
from tests.support.examples import tried

Row = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_UNITS = {"s": 0.001, "ms": 1, "us": 1000}

texts = st.text(st.sampled_from('a",\r\n é;ｅ\u0301'), min_size=1, max_size=6)
numbers = st.one_of(st.integers(0, 50), st.integers(10**15 - 9, 10**15 + 9), st.integers(2**63 - 9, 2**63 - 1))
instants = st.one_of(
    st.integers(946_684_800_000, 1_790_000_000_000),
    st.sampled_from([1_767_225_600_000, 1_767_225_600_001, 946_684_800_000]),
)
events = st.lists(
    st.fixed_dictionaries(
        {
            "account_id": st.one_of(numbers.map(str), texts),
            "user_id": st.one_of(st.none(), numbers.map(str), texts),
            "feature": texts,
            "action": st.none() | texts,
            "occurred_at": instants,
            "quantity": st.sampled_from([1.0, 2.5]),
        }
    ),
    min_size=1,
    max_size=8,
)
readings = st.builds(TimesAs, st.sampled_from(["s", "ms", "us"]), st.sampled_from([0, 7_200_000, -12_600_000]))


@st.composite
def written_times(draw: DrawFn, at_ms: int, how: TimesAs) -> str | float:
    """One of the forms in which a time may stand in a text."""
    at = _EPOCH + at_ms * _MS
    local = timezone(timedelta(milliseconds=how.offset_ms))
    elsewhere = timezone(timedelta(minutes=draw(st.sampled_from([-570, 60, 345]))))
    number = at_ms * _UNITS[how.unit] if how.unit != "s" else at_ms / 1000
    forms: list[str | float] = [
        number,
        f"{at:%Y-%m-%dT%H:%M:%S.%f}Z",
        at.astimezone(elsewhere).isoformat(timespec="milliseconds"),
        at.astimezone(local).replace(tzinfo=None).isoformat(" ", "milliseconds"),
    ]
    return draw(st.sampled_from(forms))


@st.composite
def written_ids(draw: DrawFn, value: str | None) -> str | float | None:
    """A whole number may have become an integer or, where that is exact, a float."""
    if value is None or not (value.isascii() and value.isdigit()):
        return value
    forms: list[str | float] = [value, int(value)]
    return draw(st.sampled_from([*forms, float(value)] if int(value) < 10**15 else forms))


@st.composite
def csv_files(draw: DrawFn, rows: list[Row], how: TimesAs) -> bytes:
    """With any line ends and quotes, blank rows and columns, a byte order mark."""
    dialects: list[tuple[str, Any]] = [
        *((end, csv.QUOTE_ALL) for end in ("\n", "\r", "\r\n")),
        ("\r\n", csv.QUOTE_MINIMAL),
    ]
    end, quoting = draw(st.sampled_from(dialects))
    names, blank = draw(st.permutations(list(rows[0]))), draw(st.integers(0, 2))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=quoting)
    writer.writerow([*names, *[""] * blank])
    for row in rows:
        written = _written(draw, row, how)
        writer.writerow([*("" if written[name] is None else written[name] for name in names), *[""] * blank])
        text.write(draw(st.sampled_from(["", "", end, "," * (len(names) + blank - 1) + end])))
    return draw(st.sampled_from(["", "\ufeff"])).encode() + text.getvalue().encode()


@st.composite
def json_files(draw: DrawFn, rows: list[Row], how: TimesAs) -> bytes:
    """With keys in any order, nothing as null or left out, characters as they are or escaped, blank lines."""
    lines = []
    for row in rows:
        written = _written(draw, row, how)
        kept = {name: written[name] for name in draw(st.permutations(list(written)))}
        if draw(st.booleans()):
            kept = {name: value for name, value in kept.items() if value is not None}
        lines.append(json.dumps(kept, ensure_ascii=draw(st.booleans())))
    return draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(lines).encode()


@st.composite
def parquet_files(draw: DrawFn, rows: list[Row], how: TimesAs) -> bytes:
    """With times of any unit, here or elsewhere, ids as numbers, texts of any type."""
    columns: dict[str, pa.Array] = {}
    for name in draw(st.permutations(list(rows[0]))):
        values = [row[name] for row in rows]
        if name == "occurred_at":
            columns[name] = _parquet_times(draw, values, how)
        elif name == "quantity":
            columns[name] = pa.array(values)
        elif all(value is None or (value.isascii() and value.isdigit()) for value in values):
            columns[name] = pa.array(values, pa.string()).cast(pa.int64())
        else:
            kinds = [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
            columns[name] = pa.array(values, pa.string()).cast(draw(st.sampled_from(kinds)))
    target = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), target, row_group_size=draw(st.integers(1, 4)))
    return target.getvalue()


def _parquet_times(draw: DrawFn, values: list[int], how: TimesAs) -> pa.Array:
    unit = draw(st.sampled_from(["ms", "us", "ns"]))
    instants = pa.array(values, pa.timestamp("ms", "UTC")).cast(pa.timestamp(unit, "UTC"))
    return draw(
        st.sampled_from(
            [
                instants,
                instants.cast(pa.timestamp(instants.type.unit, "America/New_York")),
                pa.array([value + how.offset_ms for value in values]).cast(pa.timestamp("ms")),
            ]
        )
    )


def _written(draw: DrawFn, row: Row, how: TimesAs) -> Row:
    ids = {name: draw(written_ids(row[name])) for name in ("account_id", "user_id")}
    return {**row, **ids, "occurred_at": draw(written_times(row["occurred_at"], how))}


KINDS: Mapping[str, Callable[[list[Row], TimesAs], SearchStrategy[bytes]]] = {
    ".csv": csv_files,
    ".jsonl": json_files,
    ".parquet": parquet_files,
}
NAMES = ("usage", "Usage (1)", "usage_2026-02", "usages.new", "usage.parts/part-0", "usage.parts/part-1")


@st.composite
def folders(draw: DrawFn, rows: list[Row], how: TimesAs) -> dict[str, bytes]:
    """The rows in any order, shared among files of any name and kind."""
    rows = draw(st.permutations(rows))
    bounds = sorted(draw(st.sets(st.integers(1, len(rows) - 1), max_size=2))) if len(rows) > 1 else []
    names = draw(st.permutations(NAMES))
    files: dict[str, bytes] = {}
    for name, first, last in zip(names, [0, *bounds], [*bounds, len(rows)], strict=False):
        suffix = draw(st.sampled_from(sorted(KINDS)))
        content = draw(KINDS[suffix](rows[first:last], how))
        if suffix != ".parquet" and draw(st.booleans()):
            suffix, content = f"{suffix}.gz", gzip.compress(content)
        files[name + suffix] = content
    return files


def read(files: Mapping[str, bytes], how: TimesAs, memory_bytes: int = MEMORY_BYTES) -> EventFiles:
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            target = Path(folder) / name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)
        return read_events(folder, times_as=how, memory_bytes=memory_bytes)


def canonical(rows: list[Row]) -> bytes:
    """In order of time, everything in the type that it has."""
    target = io.BytesIO()
    ordered = sorted(rows, key=lambda row: row["occurred_at"])
    kinds = {"quantity": pa.float64(), "occurred_at": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in rows[0]])
    pyarrow.parquet.write_table(pa.Table.from_pylist(ordered, schema), target)
    return target.getvalue()


def of(files: EventFiles) -> list[Row]:
    """Every event with all that it says, its derived id among it."""
    return sorted(files.usage.to_pylist(), key=lambda row: (row["occurred_at"], row["event_id"]))


@tried(60)
@given(st.data(), events, readings, st.sampled_from([MEMORY_BYTES, 1_000]))
def test_files_of_any_order_and_shape_give_the_events_of_the_canonical_file(
    data: st.DataObject, rows: list[Row], how: TimesAs, memory_bytes: int
) -> None:
    # Equal rows of two files are one event seen twice; those of one file are told apart below.
    rows = [dict(row) for row in {tuple(sorted(row.items())) for row in rows}]
    found = read(data.draw(folders(rows, how)), how, memory_bytes)
    assert found.rejected == ()
    times = found.usage["occurred_at"].to_pylist()
    assert times == sorted(times)
    assert of(found) == of(read({"usage.parquet": canonical(rows)}, TimesAs()))


@tried(20)
@given(st.data(), events, readings)
def test_equal_rows_of_one_export_are_several_events(data: st.DataObject, rows: list[Row], how: TimesAs) -> None:
    rows = data.draw(st.permutations(rows + rows))
    whole = read({"usage.parquet": canonical(rows)}, TimesAs())
    middle = len(rows) // 2
    parts = {f"usage.parts/part-{part}.csv": data.draw(csv_files(some, how)) for part, some in
             enumerate((rows[:middle], rows[middle:]))}  # fmt: skip
    assert of(read(parts, how)) == of(whole)
    assert of(read({"usage.csv": data.draw(csv_files(rows, how))}, how)) == of(whole)
    assert len({row["event_id"] for row in of(whole)}) == len(rows)
