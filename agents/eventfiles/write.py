"""Writing event files and label files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from agents.eventfiles.arrival import ARRIVED_AT, with_arrival
from agents.eventfiles.convert import time_fields
from agents.eventfiles.types import TOPIC_OF, EventFileError, EventTables, topic_name
from schemas.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Format = Literal["parquet", "csv", "jsonl"]
LABELS_FILE = "labels.csv"

_CHUNK_ROWS = 50_000


def write_events(
    stream: EventTables,
    out_dir: Path | str,
    format: Format = "parquet",  # noqa: A002 - the word that the command line uses
) -> list[Path]:
    """Write one file for each table that has rows, and labels.csv if the stream has `labels`.

    Returns the files. Times are timestamps in Parquet and ISO 8601 in text; lists and maps are JSON in CSV.
    A table that is not in order of event time gets a column `arrived_at`, so that late rows are read back late.

    Raises:
        EventFileError: the folder already has an event file of another format for one of the tables.
    """
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    tables = {name: getattr(stream, name) for name in TOPIC_OF}
    targets = {name: folder / f"{name}.{format}" for name, table in tables.items() if table.num_rows}
    _refuse_mixture(folder, targets)
    for name, target in targets.items():
        schema_name = TOPICS[TOPIC_OF[name]].schema
        _WRITERS[format](with_arrival(tables[name], schema_name), time_fields(schema_name) | {ARRIVED_AT}, target)
    written = [*targets.values()]
    labels = getattr(stream, "labels", None)
    if labels is not None:
        written.append(folder / LABELS_FILE)
        _csv(labels, frozenset({"at", "ends_at"}), folder / LABELS_FILE)
    return written


def _refuse_mixture(folder: Path, targets: Mapping[str, Path]) -> None:
    """A file of an earlier run in another format would be read beside the new one."""
    names = [file.name for file in folder.iterdir() if topic_name(file) is not None]
    other = sorted(set(names) - {target.name for target in targets.values()})
    if other:
        raise EventFileError([f"{folder} already has {', '.join(other)}; remove them or choose another folder"])


def _parquet(table: pa.Table, times: frozenset[str], target: Path) -> None:
    fields = [field.with_type(pa.timestamp("ms", "UTC")) if field.name in times else field for field in table.schema]
    pyarrow.parquet.write_table(table.cast(pa.schema(fields)), target, compression="zstd")


def _csv(table: pa.Table, times: frozenset[str], target: Path) -> None:
    pyarrow.csv.write_csv(_flat(_readable(table, times)), target)


def _jsonl(table: pa.Table, times: frozenset[str], target: Path) -> None:
    filled = [name for name in table.column_names if table.column(name).null_count < table.num_rows]
    readable = _readable(table.select(filled), times)
    with target.open("wb") as file:
        if not any(pa.types.is_map(kind) for kind in readable.schema.types):
            polars.DataFrame(readable).write_ndjson(file)
            return
        # polars has no maps; as lists of keys and values they would not be read back.
        for chunk in readable.to_batches(max_chunksize=_CHUNK_ROWS):
            file.write(msgspec.json.Encoder().encode_lines(chunk.to_pylist(maps_as_pydicts="strict")))


def _readable(table: pa.Table, times: frozenset[str]) -> pa.Table:
    """The table with times as ISO 8601."""
    for place, name in enumerate(table.column_names):
        if name in times:
            instants = table.column(name).cast(pa.timestamp("ms", "UTC"))
            table = table.set_column(place, name, pc.strftime(instants, "%Y-%m-%dT%H:%M:%SZ"))
    return table


def _flat(table: pa.Table) -> pa.Table:
    """The table with lists and maps as JSON."""
    for place, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            values = table.column(place).to_pylist(maps_as_pydicts="strict")
            texts = [None if value is None else msgspec.json.encode(value).decode() for value in values]
            table = table.set_column(place, field.name, pa.array(texts, pa.string()))
    return table


_WRITERS: Mapping[str, Callable[[pa.Table, frozenset[str], Path], None]] = {
    "parquet": _parquet,
    "csv": _csv,
    "jsonl": _jsonl,
}
