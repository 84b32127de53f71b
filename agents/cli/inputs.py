"""What commands say of the event files that they have read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agents.cli.console import err, out, print_table
from agents.cli.options import times_as

if TYPE_CHECKING:
    from agents.eventfiles.files import EventFiles
    from agents.settings import Settings
    from pipeline.config import EngineConfig

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_files(events: Path, chosen: Settings, unit: Literal["s", "ms", "us"], utc_offset: str) -> EventFiles:
    """Event files as the workers would take them now. Raises EventFileError, UsageError."""
    from agents.eventfiles.files import read_events

    with err.status(f"reading {events}"):
        return read_events(
            events,
            times_as=times_as(unit, utc_offset),
            latest_ms=time.time_ns() // 1_000_000 + chosen.engine().max_skew_ms,
            record_bytes=chosen.limits.record_bytes,
            memory_bytes=chosen.limits.event_files_bytes,
        )


def files_document(files: EventFiles) -> list[dict[str, Any]]:
    """Each file in JSON types."""
    from agents.eventfiles.summary import in_no_other

    return [
        {
            "file": one.file,
            "topic": one.topic,
            "rows": one.rows,
            "good": one.good,
            "rejected": one.rejected,
            "duplicates": one.duplicates,
            "first_at": _instant(one.first_ms),
            "last_at": _instant(one.last_ms),
            "accounts": len(one.accounts),
            "accounts_in_no_other": alone,
        }
        for one, alone in zip(files.summaries, in_no_other(files.summaries), strict=True)
    ]


def days_of(files: EventFiles, engine: EngineConfig) -> int:
    """How many days the events end, which is how many ticks each partition of each topic gets."""
    from agents.replay.arrivals import arrivals_of, day_ends, tick_times

    return files.rows and len(tick_times(arrivals_of(files), day_ends(engine)))


def show_files(files: EventFiles, engine: EngineConfig, verb: str) -> None:
    """What was found in each file and what will be made of it, which the verb says."""
    documents = files_document(files)
    columns = ("file", "topic", "rows", "good", "rejected", "duplicates", "first_at", "last_at", "accounts")
    print_table(
        [name.replace("_at", "").replace("_", " ") for name in columns],
        ([one[name] for name in columns] for one in documents),
    )
    accounts = set().union(*(one.accounts for one in files.summaries))
    duplicates = sum(one.duplicates for one in files.summaries)
    out.print(
        f"to {verb}: {counted(files.rows, 'event')} of {counted(len(accounts), 'account')} "
        f"over {counted(days_of(files, engine), 'day')}"
        + (f"; {duplicates} of them are duplicates, which count once" if duplicates else ""),
        highlight=False,
    )
    if len(documents) > 1:
        alone = ", ".join(f"{one['file']} {one['accounts_in_no_other']} of {one['accounts']}" for one in documents)
        out.print(f"accounts in no other file: {alone}", markup=False, highlight=False, soft_wrap=True)


def counted(number: int, thing: str) -> str:
    """So many things."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def warn_of_files(files: EventFiles) -> None:
    """What is no fault of a row, but may be one of the file."""
    for line in _warnings(files):
        err.print(line, markup=False, highlight=False, soft_wrap=True)


def _warnings(files: EventFiles) -> Iterator[str]:
    from agents.eventfiles.summary import doubtful_accounts, unknown_countries

    yield from files.notes
    for one in files.summaries:
        for row, event_id in one.first_duplicates:
            yield f"{one.file}:{row}: event {event_id} stands in an earlier row too and counts once"
        more = one.duplicates - len(one.first_duplicates)
        if more:
            yield f"{one.file}: {more} more rows stand in an earlier row too"
    yield from doubtful_accounts(account for one in files.summaries for account in one.accounts)
    yield from unknown_countries(files)


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else f"{_EPOCH + timedelta(milliseconds=at_ms):%Y-%m-%dT%H:%M:%SZ}"
