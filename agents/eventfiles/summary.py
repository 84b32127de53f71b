"""The files of a topic as one table, and what was found in each of them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agents.eventfiles.arrival import in_order_of_arrival
from agents.eventfiles.ids import Repeats, repeats_of
from agents.eventfiles.types import FileSummary, Rejected
from schemas.topics import TOPICS
from schemas.validation import EVENT_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agents.eventfiles.rows import CheckedFile
    from pipeline.terms.arrays import Bools

_SHOWN_REPEATS = 3


class Joined(NamedTuple):
    """All files of one topic."""

    table: pa.Table
    """Good rows in order of arrival."""
    rejected: list[Rejected]
    summaries: list[FileSummary]


def join(topic: str, files: Sequence[tuple[str, CheckedFile]]) -> Joined:
    """Put the named files of a topic together; an id that comes again with other content is one more reject."""
    schema_name = TOPICS[topic].schema
    table = pa.concat_tables([checked.table for _name, checked in files])
    repeats = _repeats(table)
    rejected: list[Rejected] = []
    summaries: list[FileSummary] = []
    begin = 0
    for name, checked in files:
        rows = slice(begin, begin := begin + checked.table.num_rows)
        more = [
            Rejected(name, row, "event_id", "stands in an earlier row with other content", event_id)
            for row, event_id in _named(checked, repeats.other[rows])
        ]
        rejected += sorted([*checked.rejected, *more], key=lambda reject: reject.row)
        summaries.append(_summary(name, topic, checked, Repeats(repeats.same[rows], repeats.other[rows])))
    if repeats.other.any():
        table = table.filter(pa.array(~repeats.other))
    return Joined(in_order_of_arrival(table, schema_name), rejected, summaries)


def _repeats(table: pa.Table) -> Repeats:
    if "event_id" in table.column_names:
        return repeats_of(table)
    none = np.zeros(table.num_rows, dtype=bool)
    return Repeats(none, none)


def _named(checked: CheckedFile, rows: Bools, most: int | None = None) -> list[tuple[int, str]]:
    """Number in the file and `event_id` of the first marked rows."""
    places = np.flatnonzero(rows)[:most]
    if not len(places):
        return []
    ids = checked.table.column("event_id").take(pa.array(places)).to_pylist()
    return list(zip(checked.numbers()[places].tolist(), ids, strict=True))


def _summary(name: str, topic: str, checked: CheckedFile, repeats: Repeats) -> FileSummary:
    table = checked.table.filter(pa.array(~repeats.other)) if repeats.other.any() else checked.table
    period = pc.min_max(table.column(EVENT_TIME[TOPICS[topic].schema])).as_py()
    return FileSummary(
        file=name,
        topic=topic,
        rows=checked.rows,
        good=table.num_rows,
        duplicates=int(repeats.same.sum()),
        first_duplicates=tuple(_named(checked, repeats.same, _SHOWN_REPEATS)),
        first_ms=period["min"],
        last_ms=period["max"],
        accounts=frozenset(pc.unique(table.column("account_id")).to_pylist()),
    )


def in_no_other(summaries: Sequence[FileSummary]) -> list[int]:
    """How many accounts of each file occur in no other."""
    files_of = Counter(account for one in summaries for account in one.accounts)
    return [sum(files_of[account] == 1 for account in one.accounts) for one in summaries]


def doubtful_accounts(accounts: Iterable[str]) -> Iterator[str]:
    """What to warn of: ids with spaces at the edges, and ids that read alike but differ in their Unicode form.

    Case is a difference that is meant.
    """
    forms: dict[str, list[str]] = {}
    for account in sorted(set(accounts)):
        forms.setdefault(unicodedata.normalize("NFKC", account).strip(), []).append(account)
    for plain, found in forms.items():
        if len(found) > 1:
            yield f"account ids that read alike are different accounts: {', '.join(map(ascii, found))}"
        elif found[0] != found[0].strip():
            yield f"account id {found[0]!a} has spaces at its edges; it is another account than {plain!a}"
