"""The cases of a partition's accounts at the end of a close, once all that an account shows is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.books.book import Book
from pipeline.books.cases import Suppressed
from pipeline.cases.follow import follow_cases
from pipeline.cases.records import Desk
from pipeline.kinds import KNOWN
from pipeline.state.state import State
from pipeline.state.work import next_forgotten, works
from pipeline.terms.arrays import Bools
from pipeline.terms.records import Outcome


def follow_all_cases(
    state: State, day: int, held: Bools | None, suppressed: Mapping[int, Sequence[Suppressed]], outcome: Outcome
) -> None:
    """Bring the cases up to date of all accounts that have any, or have had an alert that did not open."""
    accounts, size = state.accounts, state.accounts.size
    concerned = (accounts.open_episodes[:size] > 0) | accounts.work[:size] | (accounts.forget_case_day[:size] <= day)
    concerned[[*suppressed]] = True
    # An account that is put to rest is closed for the last time.
    concerned &= accounts.awake(day) | accounts.awake(day - 1)
    if held is not None:
        concerned &= ~held
    desk = Desk(state.alerting, KNOWN)
    for row in np.flatnonzero(concerned).tolist():
        book = accounts.book(row)
        cases = len(book.cases)
        news = _keep_suppressed(book, suppressed.get(row, ()))
        records = follow_cases(desk, accounts.ids[row], book, day, suppressed_anew=news)
        outcome.cases += records
        accounts.work[row], accounts.forget_case_day[row] = works(book), next_forgotten(book)
        if records or news or len(book.cases) != cases:
            accounts.dirty[row] = True


def _keep_suppressed(book: Book, found: Sequence[Suppressed]) -> bool:
    """Keep what did not open on the day, since when for the same reason; tells whether that is another than before."""
    since = {(each.kind, each.by): each.since_day for each in book.suppressed}
    kept = {
        each.kind: Suppressed(each.kind, each.by, each.by_alert, since.get((each.kind, each.by), each.since_day))
        for each in reversed(found)
    }
    before, book.suppressed = book.suppressed, sorted(kept.values(), key=lambda each: each.kind)
    return before != book.suppressed
