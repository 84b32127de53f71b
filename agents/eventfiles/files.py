"""Event files: a folder with one file for each topic, read with every bad row reported, and written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agents.eventfiles.arrival import file_schema
from agents.eventfiles.labels import read_labels
from agents.eventfiles.read import SUFFIXES, UnreadableError, read_columns
from agents.eventfiles.rows import CheckedFile, check_rows
from agents.eventfiles.summary import join
from agents.eventfiles.types import TOPIC_OF, EventFileError, EventFiles, EventTables, Rejected
from agents.eventfiles.write import LABELS_FILE, Format, write_events
from pipeline.simulate.tables import arrow_schema
from schemas.codec.decode import MAX_RECORD_BYTES
from schemas.topics import TOPICS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "LABELS_FILE",
    "TOPIC_OF",
    "EventFileError",
    "EventFiles",
    "EventTables",
    "Format",
    "Rejected",
    "find_files",
    "read_events",
    "read_labels",
    "write_events",
]


def read_events(path: Path | str, *, latest_ms: int | None = None, record_bytes: int = MAX_RECORD_BYTES) -> EventFiles:
    """Read a folder of event files, or one of them; bad rows are left out and reported in `rejected`.

    What is bad is what a worker would dead-letter for its content, and an id that comes again with other content.
    Rows may stand in any order: they are sorted by event time, or by `arrived_at` where a file has that column.

    Args:
        path: of the folder or the file.
        latest_ms: rows of a later event time are bad, because they lie in the future; None: whatever lies there.
        record_bytes: the largest record that the workers take.

    Raises:
        EventFileError: no event file is there, one is unreadable, or a required column is missing.
    """
    files = find_files(Path(path))
    problems: list[str] = []
    read: dict[str, CheckedFile] = {}
    for name, file in files.items():
        schema_name = TOPICS[TOPIC_OF[name]].schema
        try:
            raw = read_columns(file, file_schema(schema_name))
            read[name] = check_rows(raw, schema_name, file.name, latest_ms=latest_ms, record_bytes=record_bytes)
        except UnreadableError as error:
            problems.append(f"{file.name}: {error}")
    if problems:
        raise EventFileError(problems)
    joined = {name: join(TOPIC_OF[name], [(files[name].name, one)]) for name, one in read.items()}
    return EventFiles(
        **{name: joined[name].table if name in joined else _empty(name) for name in TOPIC_OF},
        rejected=tuple(reject for one in joined.values() for reject in one.rejected),
        summaries=tuple(summary for one in joined.values() for summary in one.summaries),
        ignored_columns=tuple((files[name].name, column) for name, one in read.items() for column in one.ignored),
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
        problems.append(f"{path}: no event file; its name must be one of {wanted}, with {', '.join(SUFFIXES)}")
    if problems:
        raise EventFileError(problems)
    return {name: found[name] for name in TOPIC_OF if name in found}


def _empty(name: str) -> pa.Table:
    return arrow_schema(TOPICS[TOPIC_OF[name]].schema).empty_table()
