"""The files of one topic as one table in order of arrival, and what was found in each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agents.eventfiles.arrival import ARRIVED_AT, EXPORT, FILE, ROW, rows_schema, with_times_of_arrival
from agents.eventfiles.ids import repeats_of, with_event_ids
from agents.eventfiles.rows import Checked
from agents.eventfiles.runs import Hashes, Rows, Scratch, Sorter
from agents.eventfiles.types import FileSummary, Rejected
from pipeline.terms.arrays import U64, Bools
from pipeline.terms.hashing import hash64
from schemas.topics import TOPICS
from schemas.validation import EVENT_ID, EVENT_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN_REPEATS = 3
_SAME = "#same"
"""Whether a row repeats an event."""


class Joined(NamedTuple):
    """All files of one topic."""

    table: pa.Table
    """Good rows in order of arrival."""
    rejected: list[Rejected]
    summaries: list[FileSummary]


@dataclass(slots=True)
class _File:
    name: str
    rows: int = 0
    good: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    duplicates: int = 0
    first_duplicates: list[tuple[int, str]] = field(default_factory=list)
    first_ms: int | None = None
    last_ms: int | None = None
    accounts: set[str] = field(default_factory=set)

    def summary(self, topic: str) -> FileSummary:
        return FileSummary(
            self.name, topic, self.rows, self.good, self.duplicates, tuple(self.first_duplicates), self.first_ms,
            self.last_ms, frozenset(self.accounts),
        )  # fmt: skip


class Joining:
    """Puts the rows of a topic's files together as they are read."""

    def __init__(self, topic: str, scratch: Scratch) -> None:
        schema_name = TOPICS[topic].schema
        self._topic = topic
        self._schema_name = schema_name
        self._scratch = scratch
        self._time = EVENT_TIME[schema_name]
        self._schema = rows_schema(schema_name)
        self._id = EVENT_ID.get(schema_name, "")
        self._sorter = Sorter(self._schema, self._time, scratch)
        self._files: list[_File] = []
        self._dropped: set[int] = set()
        self._late = False

    def begin(self, name: str) -> None:
        """What is added from now on is of this file."""
        self._files.append(_File(name))

    def add(self, checked: Checked, export: int) -> None:
        """Take a piece of the file, which is of an export of this number."""
        file, table = self._files[-1], checked.table
        file.rows += checked.rows
        file.rejected += checked.rejected
        self._late = self._late or table.column(ARRIVED_AT).null_count < table.num_rows
        places = {EXPORT: export, FILE: len(self._files) - 1}
        for name, place in places.items():
            table = table.append_column(name, pa.repeat(place, table.num_rows).cast(pa.int64()))
        self._sorter.add(table.append_column(ROW, pa.array(checked.numbers)))

    def drop(self) -> None:
        """The file is of no use after all."""
        self._dropped.add(len(self._files) - 1)

    def result(self) -> Joined:
        """Put them together; an id that comes again with other content is one more reject."""
        schema = self._schema.append(pa.field(_SAME, pa.bool_()))
        rows = Rows(schema, self._scratch)
        clashes = _Clashes(self._scratch, self._id, self._time)
        for table in self._sorter.merged():
            rows.add(self._with_repeats(self._without_dropped(table), clashes))
        whole = rows.whole()
        if clashes.look_in(whole) or self._late:
            rows = Rows(schema, self._scratch)
            for table in self._by_arrival(whole, clashes):
                rows.add(table)
            whole = rows.whole()
        for table in _pieces(whole):
            self._count(table)
        kept = [file for number, file in enumerate(self._files) if number not in self._dropped]
        return Joined(
            whole.drop_columns([ARRIVED_AT, EXPORT, FILE, ROW, _SAME]),
            [reject for file in kept for reject in sorted(file.rejected, key=lambda each: each.row)],
            [file.summary(self._topic) for file in kept],
        )

    def _without_dropped(self, table: pa.Table) -> pa.Table:
        if not self._dropped:
            return table
        return table.filter(pc.invert(pc.is_in(table.column(FILE), pa.array(sorted(self._dropped), pa.int64()))))

    def _with_repeats(self, table: pa.Table, clashes: _Clashes) -> pa.Table:
        """With ids, and without those rows whose id stands in an earlier one of the table with other content."""
        if not self._id:
            return table.append_column(_SAME, pa.repeat(pa.scalar(value=False), table.num_rows))
        table = with_event_ids(table, self._id)
        repeats = repeats_of(table, self._id)
        table = table.append_column(_SAME, pa.array(repeats.same))
        if repeats.other.any():
            self._reject(table, repeats.other)
            table = table.filter(pa.array(~repeats.other))
        clashes.add(table)
        return table

    def _by_arrival(self, whole: pa.Table, clashes: _Clashes) -> Iterator[pa.Table]:
        sorter = Sorter(whole.schema, ARRIVED_AT, self._scratch, (FILE, ROW))
        for table in _pieces(whole):
            other = clashes.in_table(table)
            self._reject(table, other)
            sorter.add(with_times_of_arrival(table.filter(pa.array(~other)), self._schema_name))
        return sorter.merged()

    def _reject(self, table: pa.Table, rows: Bools) -> None:
        if not rows.any():
            return
        for row in table.filter(pa.array(rows)).select([FILE, ROW, self._id]).to_pylist():
            file = self._files[row[FILE]]
            reason = "stands in an earlier row with other content"
            file.rejected.append(Rejected(file.name, row[ROW], self._id, reason, row[self._id]))

    def _count(self, table: pa.Table) -> None:
        for number in pc.unique(table.column(FILE)).to_pylist():
            file = self._files[number]
            part = table.filter(pc.equal(table.column(FILE), number))
            file.good += part.num_rows
            file.accounts |= set(pc.unique(part.column("account_id")).to_pylist())
            period = pc.min_max(part.column(self._time)).as_py()
            times = [at for at in (file.first_ms, file.last_ms, period["min"], period["max"]) if at is not None]
            file.first_ms, file.last_ms = min(times, default=None), max(times, default=None)
            again = part.filter(part.column(_SAME))
            if again.num_rows:
                file.duplicates += again.num_rows
                found = zip(again.column(ROW).to_pylist(), again.column(self._id).to_pylist(), strict=True)
                file.first_duplicates = nsmallest(_SHOWN_REPEATS, [*file.first_duplicates, *found])


class _Clashes:
    """Ids that come again in another table, which is with other content: equal rows have one time and one table."""

    def __init__(self, scratch: Scratch, id_field: str, time_field: str) -> None:
        self._scratch = scratch
        self._id, self._time = id_field, time_field
        self._hashes: Hashes | None = None
        self._first: pa.Table | None = None
        self._kept: dict[str, int] = {}
        self._repeated = np.empty(0, dtype=np.uint64)

    def add(self, table: pa.Table) -> None:
        """Take a table."""
        if self._hashes is None:
            if self._first is None:
                # Nothing can clash as long as there is one table.
                self._first = table
                return
            self._hashes = Hashes(self._scratch)
            self._hashes.add(np.unique(self._hash(self._first)))
        self._hashes.add(np.unique(self._hash(table)))

    def look_in(self, whole: pa.Table) -> bool:
        """Whether there are any among all rows."""
        if self._hashes is None:
            return False
        self._repeated = self._hashes.repeated()
        first: dict[str, tuple[int, int, int]] = {}
        for table in _pieces(whole):
            for row in table.filter(pa.array(self._marked(table))).to_pylist():
                place = (row[FILE], row[ROW], row[self._time])
                first[row[self._id]] = min(place, first.get(row[self._id], place))
        self._kept = {event_id: at_ms for event_id, (_file, _row, at_ms) in first.items()}
        return bool(self._kept)

    def in_table(self, table: pa.Table) -> Bools:
        """Which rows have an id that an earlier one has at another time."""
        rows = self._marked(table)
        for place in np.flatnonzero(rows).tolist():
            row = table.slice(place, 1).to_pylist()[0]
            rows[place] = self._kept[row[self._id]] != row[self._time]
        return rows

    def _marked(self, table: pa.Table) -> Bools:
        if not len(self._repeated):
            return np.zeros(table.num_rows, dtype=bool)
        return np.isin(self._hash(table), self._repeated)

    def _hash(self, table: pa.Table) -> U64:
        return hash64(table.column(self._id).combine_chunks())


def _pieces(whole: pa.Table) -> Iterator[pa.Table]:
    return (pa.Table.from_batches([batch]) for batch in whole.to_batches())
