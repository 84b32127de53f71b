"""Rows in order of a time, also more than memory holds: sorted in runs on disk, and merged."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from pipeline.terms.arrays import I64, U64

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_ROWS = 16_384
"""Of a file are mapped together."""
_LEAST_ROWS = 64
"""Of each run are in memory while runs are merged."""
_SORTING = 3
"""Arrays of the size of what is sorted."""


class Scratch:
    """A folder for what memory does not hold, made when it is needed and gone at the end of the block.

    What is mapped from it stays, as the system keeps a file until nobody has it open.
    """

    def __init__(self, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        self._folder: TemporaryDirectory[str] | None = None
        self._files = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def file(self) -> Path:
        """A name for a file."""
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="foreshock-")
        self._files += 1
        return Path(self._folder.name) / str(self._files)


class Rows:
    """Tables of one schema, one after the other: in memory up to a limit, beyond it in a file that is mapped."""

    def __init__(self, schema: pa.Schema, scratch: Scratch) -> None:
        self._schema = schema
        self._scratch = scratch
        self._held: list[pa.Table] = []
        self._bytes = 0
        self._writer: pa.RecordBatchFileWriter | None = None
        self._path: Path | None = None

    def add(self, table: pa.Table) -> None:
        """Put a table behind the others."""
        self._held.append(table)
        self._bytes += table.nbytes
        if self._bytes > self._scratch.memory_bytes:
            self.spill()

    def whole(self) -> pa.Table:
        """All of them; nothing may be added any more."""
        if self._path is None or self._writer is None:
            return pa.concat_tables([self._schema.empty_table(), *self._held])
        self.spill()
        self._writer.close()
        return pa.ipc.open_file(pa.memory_map(str(self._path))).read_all()

    def spill(self) -> None:
        """Have what was added on disk."""
        if self._path is None or self._writer is None:
            self._path = self._scratch.file()
            self._writer = pa.ipc.new_file(str(self._path), self._schema)
        if self._held:
            # Many small pieces would take more memory than they hold.
            self._writer.write_table(pa.concat_tables(self._held).combine_chunks(), max_chunksize=_CHUNK_ROWS)
        self._held, self._bytes = [], 0


class Sorter:
    """Sorts rows by a column of times, nulls first; rows of one time by other columns, else as they were added."""

    def __init__(self, schema: pa.Schema, time: str, scratch: Scratch, ties: tuple[str, ...] = ()) -> None:
        self._schema = schema
        self._time = time
        self._scratch = scratch
        self._ties = ties
        self._held: list[pa.Table] = []
        self._bytes = 0
        self._runs: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        """Take rows."""
        self._held.append(table)
        self._bytes += table.nbytes
        if self._bytes > self._scratch.memory_bytes:
            self._end_run()

    def merged(self) -> Iterator[pa.Table]:
        """All rows in order; all of one time are in one table."""
        if self._held:
            held = self._in_order(pa.concat_tables(self._held))
            self._held = []
            if not self._runs:
                yield held
                return
            self._runs.append(held)
        size = sum(run.nbytes for run in self._runs) // sum(run.num_rows for run in self._runs)
        rows = max(_LEAST_ROWS, self._scratch.memory_bytes // (size + 1) // len(self._runs))
        heads = [_Head(run, self._time, rows) for run in self._runs]
        ready: list[pa.Table] = []
        while heads:
            # What is still to come of any run is not before the last row that is known of it.
            until = min((head.last for head in heads if head.has_more), default=None)
            taken = [head.take(until) for head in heads]
            for head in heads:
                if head.has_more and head.last == until:
                    head.load()
            heads = [head for head in heads if head.rows.num_rows or head.has_more]
            ready.append(self._in_order(pa.concat_tables(taken)))
            if not heads or sum(table.num_rows for table in ready) > rows * len(self._runs):
                yield pa.concat_tables(ready)
                ready = []

    def _end_run(self) -> None:
        rows = Rows(self._schema, self._scratch)
        rows.add(self._in_order(pa.concat_tables(self._held)))
        rows.spill()
        self._runs.append(rows.whole())
        self._held, self._bytes = [], 0

    def _in_order(self, table: pa.Table) -> pa.Table:
        keys = [times_of(table.column(name)) for name in (*reversed(self._ties), self._time)]
        if len(keys) == 1 and (keys[0][1:] >= keys[0][:-1]).all():
            return table
        return table.take(pa.array(np.lexsort(keys)))


class _Head:
    """The next rows of a run."""

    def __init__(self, run: pa.Table, time: str, rows: int) -> None:
        self._run = run
        self._time = time
        self._at_once = rows
        self._read = 0
        self.rows = run.slice(0, 0)
        self.load()

    @property
    def has_more(self) -> bool:
        """Whether there are rows behind these."""
        return self._read < len(self._run)

    def load(self) -> None:
        """Have more rows."""
        self.rows = pa.concat_tables([self.rows, self._run.slice(self._read, self._at_once)])
        self._read = min(self._read + self._at_once, self._run.num_rows)
        self._times = times_of(self.rows.column(self._time))
        self.last = int(self._times[-1]) if len(self._times) else 0

    def take(self, until: int | None) -> pa.Table:
        """Take out the rows before a time."""
        count = len(self._times) if until is None else int(np.searchsorted(self._times, until))
        taken, self.rows, self._times = self.rows.slice(0, count), self.rows.slice(count), self._times[count:]
        return taken


def times_of(column: pa.ChunkedArray) -> I64:
    """Times as numbers, nulls before all."""
    numbers: I64 = column.fill_null(np.iinfo(np.int64).min).to_numpy().astype(np.int64, copy=False)
    return numbers


class Hashes:
    """Many hashes, on disk, of which those that come more than once are asked for."""

    def __init__(self, scratch: Scratch) -> None:
        self._path = scratch.file()
        self._memory_bytes = scratch.memory_bytes
        self._file = self._path.open("wb")

    def add(self, hashes: U64) -> None:
        """Take some."""
        self._file.write(np.ascontiguousarray(hashes).tobytes())

    def repeated(self) -> U64:
        """Those that were added more than once, in order."""
        self._file.close()
        size = self._path.stat().st_size
        if not size:
            return np.empty(0, dtype=np.uint64)
        stored = np.memmap(self._path, dtype=np.uint64, mode="r")
        passes = np.uint64(1 + _SORTING * size // self._memory_bytes)
        found = []
        for number in range(int(passes)):
            parts = (stored[at : at + _CHUNK_ROWS] for at in range(0, len(stored), _CHUNK_ROWS))
            mine = np.sort(np.concatenate([part[part % passes == number] for part in parts]))
            found.append(np.unique(mine[1:][mine[1:] == mine[:-1]]))
        return np.sort(np.concatenate(found))
