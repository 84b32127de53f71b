"""Reading labels.csv: what is known to have happened to accounts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from agents.eventfiles.convert import ID, TIME, convert
from agents.eventfiles.read import WHOLE, RawColumns, UnreadableError, read_blocks
from agents.eventfiles.rows import without_markers
from agents.eventfiles.types import EventFileError
from pipeline.scoring.labels import LABEL_RULES, Label
from pipeline.simulate.tables import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_REQUIRED = ("account_id", "kind", "at")
_TIMES = ("at", "ends_at")


def read_labels(path: Path | str) -> list[Label]:
    """Labels of a file with the columns `account_id,kind,at[,ends_at,detail]`; times as in event files.

    Raises:
        EventFileError: the file is unreadable or a row is wrong; with every problem.
    """
    file = Path(path)
    try:
        (raw,) = read_blocks(file, LABELS, WHOLE)
    except UnreadableError as error:
        raise EventFileError([f"{file.name}: {error}"]) from error
    lacking = [name for name in _REQUIRED if name not in raw.columns]
    if lacking:
        raise EventFileError([f"{file.name}: required columns are missing: {', '.join(lacking)}"])
    columns: dict[str, list[Any]] = {name: [None] * raw.rows for name in LABELS.names}
    problems = [f"{file.name} line {bad.row}: {bad.reason}" for bad in raw.malformed]
    numbers = raw.row_numbers()
    for name, found in raw.columns.items():
        values, _markers = without_markers(found)
        converted, bad = convert(values, TIME if name in _TIMES else ID if name == "account_id" else pa.string())
        columns[name] = converted.to_pylist()
        problems += [
            f"{file.name} line {numbers[row]}: {name}: not a {'time' if name in _TIMES else 'text'}: {values[row]}"
            for row in bad.nonzero()[0].tolist()
        ]
    problems += _problems(file.name, raw, columns, numbers)
    if problems:
        raise EventFileError(problems)
    return [
        Label(account_id, kind, at_ms, ends_at_ms, detail or "")
        for account_id, kind, at_ms, ends_at_ms, detail in zip(*columns.values(), strict=True)
    ]


def _problems(file: str, raw: RawColumns, columns: dict[str, list[Any]], numbers: Sequence[int]) -> Iterator[str]:
    for row in range(raw.rows):
        for name in _REQUIRED:
            if not without_markers(raw.columns[name][row : row + 1])[0].is_valid()[0].as_py():
                yield f"{file} line {numbers[row]}: {name} is missing"
        kind = columns["kind"][row]
        if kind is not None and kind not in LABEL_RULES:
            yield f"{file} line {numbers[row]}: unknown kind {kind!r}; known are {', '.join(LABEL_RULES)}"
