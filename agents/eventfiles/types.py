"""What event files hold, once read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from schemas.errors import UsageError
from schemas.topics import INPUT_TOPICS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

TOPIC_OF: Mapping[str, str] = dict(
    zip(("usage", "billing", "tickets", "signals", "profiles", "commands"), INPUT_TOPICS, strict=True)
)
"""What the name of a file begins with → topic."""


def topic_name(file: Path) -> str | None:
    """The name of the topic that a file's name stands for: usage.csv, Usage (1).csv, usage_2026-02.csv, ticket.csv."""
    stem = file.name.lower()
    for name in TOPIC_OF:
        begin = name.removesuffix("s")
        rest = stem.removeprefix(begin).removeprefix("s")
        if stem.startswith(begin) and not rest[:1].isalpha():
            return name
    return None


class EventFileError(UsageError):
    """Event files that cannot be used; `problems` has all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Rejected(NamedTuple):
    """One thing wrong with one row, which was left out."""

    file: str
    row: int
    """Line of a text file (a CSV header is line 1), row of a Parquet file counted from 1; 0: the whole file."""
    field: str
    """Empty when the row as a whole is malformed."""
    reason: str
    value: str
    """As found, shortened."""

    def __str__(self) -> str:
        if not self.row:
            return f"{self.file}: {self.reason}"
        value = f" (it is {self.value!r})" if self.value else ""
        return f"{self.file}:{self.row}: {self.field or 'row'}: {self.reason}{value}"


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What was found in one file."""

    file: str
    topic: str
    rows: int
    """Good and bad."""
    good: int
    duplicates: int
    """Good rows whose event stands in an earlier row too, in this file or another: it counts once."""
    first_duplicates: tuple[tuple[int, str], ...]
    """Row and `event_id` of some."""
    first_ms: int | None
    last_ms: int | None
    """Event times of good rows."""
    accounts: frozenset[str]

    @property
    def rejected(self) -> int:
        """Rows that were left out."""
        return self.rows - self.good


class EventTables(Protocol):
    """What has a table of events for each topic."""

    @property
    def usage(self) -> pa.Table:
        """Usage events."""

    @property
    def billing(self) -> pa.Table:
        """Billing events."""

    @property
    def tickets(self) -> pa.Table:
        """Ticket events."""

    @property
    def signals(self) -> pa.Table:
        """Customer signals."""

    @property
    def profiles(self) -> pa.Table:
        """Account profiles."""

    @property
    def commands(self) -> pa.Table:
        """What people did with cases."""


@dataclass(frozen=True, slots=True)
class EventFiles:
    """Events of each topic in order of arrival; a missing file is an empty table.

    Columns are those of the reader schema: times as int64 milliseconds UTC, integers as int64.
    """

    usage: pa.Table
    billing: pa.Table
    tickets: pa.Table
    signals: pa.Table
    profiles: pa.Table
    commands: pa.Table
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()
    """What was left out although no row was: files, columns, blank rows, markers of nothing; a line each."""
    rows_read: int = 0
    """Rows in the files, rejected ones included."""
    summaries: tuple[FileSummary, ...] = ()
    """Of the files; empty for events that come from none."""

    @classmethod
    def of(cls, tables: EventTables) -> Self:
        """The events of anything that has the tables, as a simulated stream has."""
        events = cls(tables.usage, tables.billing, tables.tickets, tables.signals, tables.profiles, tables.commands)
        return replace(events, rows_read=events.rows)

    def by_topic(self) -> dict[str, pa.Table]:
        """Tables under the names of their topics, in the order in which the core numbers them."""
        return {topic: getattr(self, name) for name, topic in TOPIC_OF.items()}

    @property
    def rows(self) -> int:
        """Number of good rows."""
        return sum(table.num_rows for table in self.by_topic().values())
