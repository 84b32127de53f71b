"""Closing a day: every account of the partition evaluated as of it, in one vectorised pass per block of accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.books.cases import Suppressed
from pipeline.books.endings import forget, remembers
from pipeline.books.signals import context_of, promote_readings, same_context
from pipeline.close.account import ClosingAccount
from pipeline.close.amend import amend
from pipeline.close.cap import cap_of
from pipeline.close.cases import follow_all_cases
from pipeline.close.episodes import follow_score, go_before_score
from pipeline.close.fleet_update import FleetUpdate
from pipeline.close.life import end_subscriptions, follow_life
from pipeline.close.new_members import count_new_members
from pipeline.close.outcomes import take_cells
from pipeline.detectors import AFTER_SCORE, BEFORE_SCORE, Detector
from pipeline.evidence.census import census
from pipeline.evidence.dayfactors import day_factors
from pipeline.evidence.successions import People
from pipeline.evidence.view import View
from pipeline.explain.explanation import Step, alert_records
from pipeline.health.judging import JudgedView, judge, settle
from pipeline.health.reach import Reach
from pipeline.health.records import publish_health
from pipeline.health.relationship import OVERDUE_MS
from pipeline.kinds import KNOWN
from pipeline.state.life import unjudged
from pipeline.state.state import State
from pipeline.terms.arrays import Bools
from pipeline.terms.records import Outcome

BLOCK = 8_192
"""Accounts evaluated at a time: their working columns fit in a processor's cache."""


def close_day(state: State, outcome: Outcome) -> None:
    """Close the open day and open the next; alerts and health records go to `outcome`."""
    day, accounts = state.open_day, state.accounts
    held = _held(state, day)
    fleet_update = FleetUpdate(state, day)
    suppressed: dict[int, list[Suppressed]] = {}
    if len(accounts):
        accounts.summarise()
        end_subscriptions(state, day, held)
        people = People(state.users, slice(1, state.users.size), day)
        count_new_members(state, people, day)
        amend(state, day, held, outcome)
        accounts.summarise()
        counts = census(people, state.features, accounts.first_usage_day[: accounts.size], day)
        reach = Reach(people, state.features, accounts.size, day)
        factors = day_factors(state, day)
        for start in range(1, accounts.size, BLOCK):
            rows = slice(start, min(start + BLOCK, accounts.size))
            bars = state.fleet.bars.values
            view = View(accounts, rows, day, state.days, state.config, counts.part(rows), factors, bars=bars)
            due = np.ones(len(view), dtype=np.bool_) if held is None else ~held[rows]
            awake = accounts.awake(day)[rows]
            follow_life(state, view, rows, due & awake)
            fleet_update.add(view)
            take_cells(state, view, rows, due & awake, due & ~awake)
            suppressed |= _close_block(state, view, reach, rows, due & awake, due & ~awake, outcome)
        _age(state, day, held)
    outcome.fleet_days.append(fleet_update.finish())
    _refresh_books(state, day, held)
    follow_all_cases(state, day, held, suppressed, outcome)
    state.definitions = dict(state.plan.definitions)
    state.enter_day(day + 1)
    for seen in state.seen.values():
        seen.forget_before(state.first_amendable_day)
    outcome.days_closed += 1


def _held(state: State, day: int) -> Bools | None:
    """Rows that closed this day before a crash cut their checkpoint in two."""
    if state.ahead is None:
        return None
    held = np.zeros(state.accounts.size, dtype=np.bool_)
    known = state.ahead.closed_day[: state.accounts.size]
    held[: len(known)] = known >= day
    return held


def _age(state: State, day: int, held: Bools | None) -> None:
    """Make room for the day after tomorrow."""
    mask = None
    if held is not None:
        mask = np.zeros(state.accounts.capacity, dtype=np.bool_)
        mask[: len(held)] = held
    state.accounts.age(day + 2, mask)
    for members in (state.users, state.features):
        members.forget_day(day + 2, mask)
        state.accounts.dirty[members.enforce_limit(mask)] = True


def _refresh_books(state: State, day: int, held: Bools | None) -> None:
    accounts = state.accounts

    def due(rows: set[int]) -> list[int]:
        return [row for row in sorted(rows) if held is None or not held[row]]

    for row in due(state.waiting_readings):
        promote_readings(accounts.books[row])
        accounts.unsummarised.add(row)
        accounts.dirty[row] = True
    for row in due(state.stale_context):
        book = accounts.books[row]
        fresh = context_of(book, day)
        if not same_context(book.context, fresh):
            book.context = fresh
            state.choose_profile(row, fresh)
            accounts.belonging.put([row], [fresh])
            accounts.unsummarised.add(row)
            accounts.dirty[row] = True
    before_ms = state.days.start_ms(state.first_amendable_day)
    for row in due(state.remembering):
        if forget(accounts.books[row], before_ms):
            accounts.dirty[row] = True
        if not remembers(accounts.books[row]):
            state.remembering.discard(row)
    for rows in (state.waiting_readings, state.stale_context):
        rows.intersection_update([row for row in rows if held is not None and held[row]])


def _close_block(
    state: State, view: View, reach: Reach, rows: slice, live: Bools, resting: Bools, outcome: Outcome
) -> dict[int, list[Suppressed]]:
    """Returns the alerts that did not open, by row."""
    accounts = state.accounts
    findings = {detector.KIND.name: view.finding(detector) for detector in BEFORE_SCORE}
    previous_primary = accounts.primary[rows].copy()
    judged = JudgedView(view, findings, judge(state, view, rows, live, reach), previous_primary)
    closing = _Closing(state, judged, rows, live)
    closing.before_score()
    settle(state, judged.judgement, rows, live, view.day, judged.caps)
    view.band = accounts.band[rows]
    findings |= {detector.KIND.name: detector.evaluate(view) for detector in AFTER_SCORE}
    closing.after_score()
    closing.put_to_rest(resting)
    steps = [step for _, steps in sorted(closing.steps.items()) for step in steps]
    outcome.alerts += alert_records(state, judged, steps)
    outcome.health += publish_health(state, judged, rows, live)
    for found in closing.suppressed.values():
        outcome.suppressed.update(each.by for each in found)
    return {rows.start + place: found for place, found in closing.suppressed.items() if found}


@dataclass(slots=True)
class _Closing:
    """Advances the episodes of those accounts of a block of which there is anything to say."""

    state: State
    judged: JudgedView
    rows: slice
    live: Bools
    steps: defaultdict[int, list[Step]] = field(default_factory=lambda: defaultdict(list))
    """By place."""
    suppressed: defaultdict[int, list[Suppressed]] = field(default_factory=lambda: defaultdict(list))
    """By place."""

    def before_score(self) -> None:
        """What does not hang on bands; then what caps them is known."""
        accounts, end_ms = self.state.accounts, self.judged.view.end_ms
        late = (accounts.first_due_ms[self.rows] + OVERDUE_MS <= end_ms) | (accounts.next_goal_ms[self.rows] <= end_ms)
        late &= ~unjudged(self.judged.view.life)
        for account, kinds in self._concerned(BEFORE_SCORE, late):
            go_before_score(account, kinds, is_late=bool(late[account.place]))
            cap = cap_of(account)
            if cap is not None:
                self.judged.caps[account.place] = cap

    def after_score(self) -> None:
        """What follows from the bands."""
        news = np.logical_or.reduce([verdict.moved for verdict in self.judged.judgement.verdicts])
        for account, kinds in self._concerned(AFTER_SCORE, news):
            follow_score(account, kinds, has_news=bool(news[account.place]))

    def put_to_rest(self, resting: Bools) -> None:
        """End what is judged day by day of accounts of which nothing was heard for long; facts stay."""
        accounts = self.state.accounts
        for place in np.flatnonzero(resting & (accounts.open_episodes[self.rows] > 0)).tolist():
            account = self._account(place)
            for episode in [each for each in account.book.episodes if not KNOWN[each.kind].immediate]:
                account.resolve(episode, "expired")
            accounts.open_episodes[account.row] = len(account.book.episodes)
            accounts.quiet[account.row] = accounts.unseen[account.row] = False

    def _account(self, place: int) -> ClosingAccount:
        row, steps, suppressed = self.rows.start + place, self.steps[place], self.suppressed[place]
        return ClosingAccount(self.state, self.judged, row, place, steps, suppressed)

    def _concerned(
        self, detectors: Sequence[Detector], beside: Bools
    ) -> Iterator[tuple[ClosingAccount, Sequence[Detector]]]:
        """Accounts with an open episode, a kind that is raised, or something beside; each with what is raised."""
        raised = np.stack([self.judged.findings[detector.KIND.name].raised for detector in detectors], axis=1)
        raised &= ~unjudged(self.judged.view.life)[:, None]
        is_open = self.state.accounts.open_episodes[self.rows] > 0
        concerned = np.flatnonzero(self.live & (is_open | raised.any(axis=1) | beside))
        among, which = np.nonzero(raised[concerned])
        bounds = np.searchsorted(among, np.arange(len(concerned) + 1)).tolist()
        found = [detectors[number] for number in which.tolist()]
        for number, place in enumerate(concerned.tolist()):
            yield self._account(place), found[bounds[number] : bounds[number + 1]]
