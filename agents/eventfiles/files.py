"""Event files: a folder with one file for each topic, read with every bad row reported, and written."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from agents.eventfiles.arrival import read_schema
from agents.eventfiles.convert import AS_WRITTEN, TimesAs
from agents.eventfiles.labels import read_labels
from agents.eventfiles.read import SUFFIXES, UnreadableError, read_blocks
from agents.eventfiles.rejects import REJECTS_SUFFIX
from agents.eventfiles.rows import Checking
from agents.eventfiles.runs import Scratch
from agents.eventfiles.topic import Joined, Joining
from agents.eventfiles.types import TOPIC_OF, EventFileError, EventFiles, EventTables, Rejected, topic_name
from agents.eventfiles.write import LABELS_FILE, Format, write_events
from pipeline.simulate.tables import arrow_schema
from schemas.topics import TOPICS
from schemas.validation import MAX_RECORD_BYTES

__all__ = [
    "LABELS_FILE",
    "TOPIC_OF",
    "EventFileError",
    "EventFiles",
    "EventTables",
    "Format",
    "Rejected",
    "TimesAs",
    "read_events",
    "read_labels",
    "write_events",
]


MEMORY_BYTES = 1 << 29
_PIECES = 16
"""Of a file in memory, while one of them is taken apart and converted."""


class _Found(NamedTuple):
    """What is in a folder."""

    files: dict[str, list[tuple[int, Path]]]
    """By the name of their topic, each with a number of what was exported at once."""
    notes: list[str]
    """Why others are no event files."""
    unusable: list[Rejected]
    """Event files by their name, but of an unknown kind."""


def read_events(
    path: Path | str,
    *,
    times_as: TimesAs = AS_WRITTEN,
    latest_ms: int | None = None,
    record_bytes: int = MAX_RECORD_BYTES,
    memory_bytes: int = MEMORY_BYTES,
) -> EventFiles:
    """Read a folder of event files, or one of them; bad rows are left out and reported in `rejected`.

    What is bad is what a worker would dead-letter for its content, and an id that comes again with other content.
    Several files of one topic are read together; one that cannot be used is a reject as a whole. Rows may stand in
    any order: they are sorted by event time, or by `arrived_at` where a file has that column.

    Args:
        path: of the folder or the file.
        times_as: how times are written that do not say it themselves.
        latest_ms: rows of a later event time are bad, because they lie in the future; None: whatever lies there.
        record_bytes: the largest record that the workers take.
        memory_bytes: of rows; more are sorted in runs on disk, and the tables are mapped from there.

    Raises:
        EventFileError: no event file is there, or none can be used.
    """
    root = Path(path)
    found = _find(root)
    notes, rejected = list(found.notes), list(found.unusable)
    joined: dict[str, Joined] = {}
    with Scratch(memory_bytes) as scratch:
        for name, exports in found.files.items():
            joining = Joining(TOPIC_OF[name], scratch)
            used = False
            for export, file in exports:
                checking = Checking(
                    TOPICS[TOPIC_OF[name]].schema,
                    _shown(file, root),
                    times_as=times_as,
                    latest_ms=latest_ms,
                    record_bytes=record_bytes,
                )
                try:
                    _read(file, _shown(file, root), export, checking, joining, memory_bytes // _PIECES)
                except UnreadableError as error:
                    joining.drop()
                    rejected.append(_whole(_shown(file, root), str(error)))
                else:
                    used = True
                    notes += checking.notes()
            if used:
                joined[name] = joining.result()
    if not joined:
        raise EventFileError([*map(str, rejected), *([] if rejected else [_nothing_in(root), *notes])])
    summaries = tuple(summary for one in joined.values() for summary in one.summaries)
    return EventFiles(
        **{name: joined[name].table if name in joined else _empty(name) for name in TOPIC_OF},
        rejected=(*rejected, *(reject for one in joined.values() for reject in one.rejected)),
        notes=tuple(notes),
        rows_read=sum(one.rows for one in summaries),
        summaries=summaries,
    )


def _read(file: Path, shown: str, export: int, checking: Checking, joining: Joining, block_bytes: int) -> None:
    """Read a file piece by piece."""
    joining.begin(shown)
    for raw in read_blocks(file, read_schema(checking.schema_name), block_bytes):
        checked = checking.check(raw)
        if not file.name.lower().removesuffix(".gz").endswith(".jsonl"):
            # Every piece has the same columns.
            checking.require_columns()
        joining.add(checked, export)
    checking.require_columns()


def _find(path: Path) -> _Found:
    """The event files at a path."""
    if not path.exists():
        raise EventFileError([f"{path} does not exist"])
    found = _Found({name: [] for name in TOPIC_OF}, [], [])
    is_one = path.is_file() or (_is_known(path) and topic_name(path) is not None)
    for export, each in enumerate([path] if is_one else sorted(path.iterdir())):
        name = topic_name(each)
        if each.name.startswith((".", "_")) or each.name == LABELS_FILE:
            continue
        if name is None or each.name.endswith(REJECTS_SUFFIX):
            found.notes.append(f"{each.name}: not read: {_nameless(each)}")
            continue
        for part in _parts(each):
            if _is_known(part):
                found.files[name].append((export, part))
            else:
                reason = f"unknown kind of file; known are {', '.join(SUFFIXES)}"
                found.unusable.append(_whole(_shown(part, path), reason))
    return found


def _parts(path: Path) -> list[Path]:
    """The file, or the files in a folder that stands for one, as Spark writes it."""
    if path.is_file():
        return [path]
    return sorted(part for part in path.rglob("*") if part.is_file() and not part.name.startswith((".", "_")))


def _is_known(file: Path) -> bool:
    return file.name.lower().endswith(SUFFIXES)


def _shown(file: Path, root: Path) -> str:
    return file.name if file == root else str(file.relative_to(root))


def _whole(file: str, reason: str) -> Rejected:
    return Rejected(file, 0, "", reason, "")


def _nameless(file: Path) -> str:
    if file.name.endswith(REJECTS_SUFFIX):
        return "a list of rejected rows"
    near = get_close_matches(file.name.lower().partition(".")[0], TOPIC_OF, n=1)
    hint = "; a folder is read where its name does, or where it is named itself" if file.is_dir() else ""
    return f"its name begins with none of {', '.join(TOPIC_OF)}{hint}" + "".join(
        f"; did you mean {each}?" for each in near
    )


def _nothing_in(path: Path) -> str:
    wanted = ", ".join(f"{name}.*" for name in TOPIC_OF)
    return f"{path}: no event file; its name must be one of {wanted}, with {', '.join(SUFFIXES)}"


def _empty(name: str) -> pa.Table:
    return arrow_schema(TOPICS[TOPIC_OF[name]].schema).empty_table()
