"""Amended days: late data may change what an open episode was raised on, or take it away."""

from __future__ import annotations

import numpy as np

from pipeline.alerts.lifecycle import Change, retract, update
from pipeline.books.book import Book, Episode
from pipeline.detectors import DETECTORS
from pipeline.evidence.census import census_of
from pipeline.evidence.dayfactors import day_factors
from pipeline.evidence.view import Finding, View
from pipeline.explain.explanation import explanations, told_with
from pipeline.state.accounts import NEVER
from pipeline.state.state import State
from pipeline.terms.arrays import I32, Bools
from pipeline.terms.records import Outcome

SAME = 1e-9
"""Relative difference below which a figure has not changed."""
_AMENDED = {detector.KIND.name: detector for detector in DETECTORS if detector.KIND.amended}


def amend(state: State, day: int, held: Bools | None, outcome: Outcome) -> None:
    """Judge again, as of their opening day, the episodes that late data may have changed."""
    accounts = state.accounts
    changed = np.flatnonzero(accounts.amended_from[: accounts.size] < day).astype(np.int32)
    if held is not None:
        changed = changed[~held[changed]]
    if not len(changed):
        return
    for opened in range(int(accounts.amended_from[changed].min()), day):
        rows = [
            row for row in changed.tolist() if accounts.amended_from[row] <= opened and _opened_on(state, row, opened)
        ]
        if rows:
            _judge_again(state, np.array(rows, dtype=np.int32), opened, day, outcome)
    accounts.amended_from[changed] = NEVER
    accounts.dirty[changed] = True


def _opened_on(state: State, row: int, day: int) -> list[Episode]:
    book = state.accounts.books.get(row)
    if book is None:
        return []
    return [episode for episode in book.episodes if episode.opened_day == day and episode.kind in _AMENDED]


def _judge_again(state: State, rows: I32, opened: int, day: int, outcome: Outcome) -> None:
    counts = census_of(state.users, state.features, rows, state.accounts.first_usage_day[rows], opened)
    factors = day_factors(state, opened)
    view = View(state.accounts, rows, opened, state.days, state.config, counts, factors, gone_by=True)
    changed: list[tuple[int, Episode, Change]] = []
    for place, row in enumerate(rows.tolist()):
        book = state.accounts.books[row]
        for episode in _opened_on(state, row, opened):
            change = _mend(book, episode, view.finding(_AMENDED[episode.kind]), place, state.days.end_ms(day))
            if change is not None:
                changed.append((place, episode, change))
        state.accounts.unsummarised.add(row)
    if not changed:
        return
    explained = explanations(state, view, np.unique([place for place, _, _ in changed]))
    for place, episode, change in changed:
        row = int(rows[place])
        kind, book = _AMENDED[episode.kind].KIND, state.accounts.books[row]
        explanation = told_with(explained[place], state, row, opened, episode)
        record = state.alerting.record(kind, state.accounts.ids[row], book, episode, change, explanation, day)
        outcome.alerts.append(record)


def _mend(book: Book, episode: Episode, finding: Finding, place: int, end_ms: int) -> Change | None:
    """Retract an episode that is not raised any more, or bring it up to date if its figures have changed."""
    if not finding.raised[place]:
        return retract(book, episode, "late_data", end_ms)
    if _same(finding.observed[place], episode.observed) and _same(finding.evidence[place], episode.evidence):
        return None
    return update(episode, episode.severity, finding.values_at(place), "late_data", end_ms)


def _same(new: float, old: float) -> bool:
    return bool(abs(new - old) <= SAME * max(1.0, abs(old)))
