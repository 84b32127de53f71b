"""What becomes of accounts with the day, before anything else is judged: subscriptions end, lives go on."""

from __future__ import annotations

import numpy as np

from pipeline.books.billing import end_due
from pipeline.close.inhibition import inhibitor
from pipeline.detectors import silence
from pipeline.evidence.view import View
from pipeline.state.life import ACTIVE, GONE_QUIET, ONBOARDING, unjudged
from pipeline.state.state import State
from pipeline.terms.arrays import Bools


def end_subscriptions(state: State, day: int, held: Bools | None) -> None:
    """End the subscriptions whose announced end has come by the end of the day."""
    accounts, end_ms = state.accounts, state.days.end_ms(day)
    due = (accounts.next_end_ms[: accounts.size] <= end_ms) & accounts.awake(day)
    if held is not None:
        due &= ~held
    for row in np.flatnonzero(due).tolist():
        end_due(accounts.books[row], end_ms)
        accounts.unsummarised.add(row)
        state.stale_context.add(row)
        accounts.dirty[row] = True
    accounts.summarise()


def follow_life(state: State, view: View, rows: slice, live: Bools) -> None:
    """Note what accounts have become in their books; of those that closed this day already, nothing is new."""
    accounts = state.accounts
    view.life = np.where(live, view.life, view.former_life)
    accounts.life[rows] = view.life
    back = unjudged(view.former_life) & ~unjudged(view.life)
    for place in np.flatnonzero(view.life != view.former_life).tolist():
        book = accounts.book(rows.start + place)
        book.life = int(view.life[place])
        if back[place]:
            book.back_ms = view.end_ms
        accounts.dirty[rows.start + place] = True
    for place in np.flatnonzero(live & _going_quiet(state, view, rows)).tolist():
        accounts.book(rows.start + place).life = GONE_QUIET
        accounts.dirty[rows.start + place] = True
        view.life[place] = accounts.life[rows.start + place] = GONE_QUIET


def _going_quiet(state: State, view: View, rows: slice) -> Bools:
    """Of whom an alert opens today that says so: it is raised, and nothing that is open holds it back."""
    found = np.zeros(len(view), dtype=np.bool_)
    if state.config.is_off(silence.KIND):
        return found
    others = (view.life == ACTIVE) | (view.life == ONBOARDING)
    for place in np.flatnonzero(view.finding(silence).raised & others).tolist():
        row = rows.start + place
        if not state.is_off(silence.KIND, row):
            found[place] = inhibitor(state, row, state.accounts.book(row), silence.KIND) is None
    return found
