"""Closing a day: every account of the partition evaluated as of it, in one vectorised pass per block of accounts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pipeline import bands
from pipeline.alerts import CARD_KINDS, Change, Scene
from pipeline.amend import amend
from pipeline.books import Book, Episode
from pipeline.contributors import contributors
from pipeline.deadlines import ended, overdue
from pipeline.detectors import AFTER_SCORE, BEFORE_SCORE, Detector
from pipeline.detectors.levels import LevelDetector
from pipeline.detectors.ratios import RatioDetector
from pipeline.detectors.view import View
from pipeline.evidence.census import census
from pipeline.health_records import publish_health
from pipeline.inhibition import inhibitor
from pipeline.judging import Verdict, judge
from pipeline.kinds import KINDS
from pipeline.memory import forget, remembers
from pipeline.newcomers import count_newcomers
from pipeline.react import severity_rises
from pipeline.records import Outcome
from pipeline.scenes import DayContext, scene
from pipeline.scorecards.reach import Reach
from pipeline.scorecards.relationship import OVERDUE_MS
from pipeline.signals import context_of, promote_readings, same_context
from pipeline.state import State
from pipeline.tally import DayTally

BLOCK = 8_192
"""Accounts evaluated at a time: their working columns fit in a processor's cache."""
CLEAR_DAYS = 5
EXPIRE_DAYS = 84
Bools = npt.NDArray[np.bool_]
_SEVERITY_OF_BAND = {bands.RED: "error", bands.YELLOW: "warning"}


def close_day(state: State, outcome: Outcome) -> None:
    """Close the open day and open the next; alerts and health records go to `outcome`."""
    day, accounts = state.open_day, state.accounts
    held = _held(state, day)
    tally = DayTally(state, day)
    if len(accounts):
        accounts.summarise()
        count_newcomers(state, day)
        amend(state, day, held, outcome)
        accounts.summarise()
        counts = census(state.users, state.features, accounts.size, day)
        reach = Reach(state.users, state.features, accounts.size, day)
        factors = state.day_factors(day)
        for start in range(1, accounts.size, BLOCK):
            rows = slice(start, min(start + BLOCK, accounts.size))
            view = View(accounts, rows, day, state.days, state.config, counts.part(rows), factors)
            tally.add(view)
            _close_block(state, view, reach, rows, held, outcome)
        _age(state, day, held)
    outcome.fleet_days.append(tally.record())
    _refresh_books(state, day, held)
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


def _close_block(state: State, view: View, reach: Reach, rows: slice, held: Bools | None, outcome: Outcome) -> None:
    accounts = state.accounts
    findings = {detector.KIND: view.finding(detector) for detector in BEFORE_SCORE}
    live = np.ones(len(view), dtype=np.bool_) if held is None else ~held[rows]
    previous_primary = accounts.primary[rows].copy()
    context = DayContext(view, findings, judge(state, view, rows, live, reach), previous_primary)
    view.band = accounts.band[rows]
    findings |= {detector.KIND: detector.evaluate(view) for detector in AFTER_SCORE}
    concerned = accounts.open_episodes[rows] > 0
    for finding in findings.values():
        concerned |= finding.raised
    for verdict in context.judgement.verdicts:
        concerned |= verdict.moved
    concerned |= accounts.first_due_ms[rows] + OVERDUE_MS <= view.end_ms
    concerned |= accounts.next_goal_ms[rows] <= view.end_ms
    for place in np.flatnonzero(concerned & live).tolist():
        _Closing(state, context, rows.start + place, place, outcome).run()
    outcome.health += publish_health(state, context, rows, live)


@dataclass(slots=True)
class _Closing:
    """The episodes of one account on one close."""

    state: State
    context: DayContext
    row: int
    place: int
    outcome: Outcome
    book: Book = field(init=False)
    _scenes: dict[int, Scene] = field(default_factory=dict)
    """By slot of the scorecard that they tell of."""

    def __post_init__(self) -> None:
        self.book = self.state.accounts.book(self.row)

    def run(self) -> None:
        """Advance every kind, in the order of the detector tables."""
        for episode, reason in ended(self.book, self.context.view.day, self.state.config):
            self._resolve(episode, reason)
        for detector in BEFORE_SCORE:
            self._advance(detector)
        for late in overdue(self.book, self.context.view.end_ms):
            if self.book.episode(late.kind, late.key) is None:
                values = (late.observed, 0.0, late.days)
                self._open(late.kind, late.key, late.starts_at_ms, KINDS[late.kind].severity, values)
        self._health()
        for detector in AFTER_SCORE:
            self._advance(detector)
        self.state.accounts.open_episodes[self.row] = len(self.book.episodes)

    def _emit(self, episode: Episode, status: str, reason: str) -> None:
        verdict = self._verdict_of(episode)
        if verdict.slot not in self._scenes:
            self._scenes[verdict.slot] = scene(self.state, self.context, verdict, self.row, self.place)
        end_ms = self.context.view.end_ms
        named = contributors(self.state, self.row, self.context.view.day, episode.kind)
        surroundings = replace(self._scenes[verdict.slot], contributors=named)
        change = Change(status, reason, end_ms, end_ms if status == "resolved" else None)
        account_id = self.state.accounts.ids[self.row]
        self.outcome.alerts.append(self.state.alerting.record(account_id, self.book, episode, change, surroundings))
        self.state.accounts.dirty[self.row] = True

    def _verdict_of(self, episode: Episode) -> Verdict:
        """The scorecard that an alert is about; the primary one unless it says otherwise."""
        if episode.kind in CARD_KINDS:
            for verdict in self.context.judgement.verdicts:
                if verdict.card.id == episode.dimension:
                    return verdict
        return self.context.judgement.primary_of(self.place)

    def _open(
        self,
        kind: str,
        dimension: str,
        starts_at_ms: int,
        severity: str,
        values: tuple[float, float, float],
        onset: tuple[int, int, int] | None = None,
    ) -> None:
        if kind in self.state.config.disabled_kinds:
            return
        view = self.context.view
        episode = Episode(kind, dimension, view.day, starts_at_ms, view.end_ms, severity, *values, onset=onset)
        self.book.episodes.append(episode)
        self._emit(episode, "firing", "detected")

    def _resolve(self, episode: Episode, reason: str) -> None:
        self.book.episodes.remove(episode)
        episode.revision += 1
        self._emit(episode, "resolved", reason)

    def _advance(self, detector: Detector) -> None:
        finding, place = self.context.findings[detector.KIND], self.place
        episode = self.book.episode(detector.KIND, detector.DIMENSION)
        if episode is None:
            if not finding.raised[place] or self._held_back(detector.KIND):
                return
            by = inhibitor(self.state, self.row, self.book, detector.KIND)
            if by is not None:
                self.outcome.suppressed[by] += 1
            else:
                start_ms = self.state.days.start_ms(self.context.view.day)
                severity = self._severity(detector.KIND)
                onset = None
                if isinstance(detector, LevelDetector | RatioDetector):
                    onset = detector.onset(self.context.view, place)
                self._open(detector.KIND, detector.DIMENSION, start_ms, severity, finding.values_at(place), onset)
            return
        clear_days = episode.clear_days
        recovered = detector.cleared(self.context.view, finding, place, episode.expected)
        episode.clear_days = episode.clear_days + 1 if recovered else 0
        if episode.clear_days != clear_days:
            self.state.accounts.dirty[self.row] = True
        if episode.clear_days >= CLEAR_DAYS:
            self._resolve(episode, "recovered")
        elif self.context.view.day - episode.opened_day >= EXPIRE_DAYS:
            self._resolve(episode, "expired")
        elif finding.raised[place] and severity_rises(episode.severity, self._severity(detector.KIND)):
            episode.severity = self._severity(detector.KIND)
            episode.observed, episode.expected, episode.evidence = finding.values_at(place)
            episode.revision += 1
            self._emit(episode, "firing", "worsened")

    def _severity(self, kind: str) -> str:
        if kind == "renewal_at_risk":
            return {bands.RED: "critical", bands.YELLOW: "error"}.get(
                int(self.context.view.band[self.place]), "warning"
            )
        return KINDS[kind].severity

    def _held_back(self, kind: str) -> bool:
        """Whether the kind is for quiet times, and a risk of the account is open."""
        return KINDS[kind].calm and any(KINDS[episode.kind].family == "risk" for episode in self.book.episodes)

    def _health(self) -> None:
        """Follow the bands of the scorecards that apply, and end what was said by those that do not any more."""
        applied = {verdict.card.id for verdict in self.context.judgement.verdicts if verdict.applies[self.place]}
        for episode in list(self.book.episodes):
            if episode.kind in CARD_KINDS and episode.dimension not in applied:
                self._resolve(episode, "expired")
        for verdict in self.context.judgement.verdicts:
            if verdict.applies[self.place]:
                self._follow_band(verdict)

    def _follow_band(self, verdict: Verdict) -> None:
        """Alert on the move of a band: for the worse opens or worsens, for the better eases or resolves."""
        day, card = self.context.view.day, verdict.card.id
        changed, unknown = (self.book.episode(kind, card) for kind in CARD_KINDS)
        band, before = verdict.bands_at(self.state, self.row, self.place)
        if self.place in verdict.switches:
            if changed is not None and band in (bands.GREEN, bands.GREY):
                self._resolve(changed, "config_change")
            if unknown is not None and band != bands.GREY:
                self._resolve(unknown, "config_change")
            return
        if not verdict.moved[self.place]:
            for episode in (changed, unknown):
                if episode is not None and day - episode.opened_day >= EXPIRE_DAYS:
                    self._resolve(episode, "expired")
            return
        values = verdict.scores_at(self.state, self.row, self.place)
        if unknown is not None:
            self._resolve(unknown, "recovered")
        if changed is not None and band in (bands.GREEN, bands.GREY):
            self._resolve(changed, "recovered" if band == bands.GREEN else "expired")
        elif changed is not None:
            changed.severity = _SEVERITY_OF_BAND[band]
            changed.observed, changed.expected, changed.evidence = values
            changed.revision += 1
            self._emit(changed, "firing", "worsened" if band < before else "recovered")
        if before == bands.GREY:
            return
        start_ms = self.state.days.start_ms(day)
        if band == bands.GREY:
            self._open("health_unknown", card, start_ms, "info", values)
        elif changed is None and band < before:
            self._open("health_changed", card, start_ms, _SEVERITY_OF_BAND[band], values)
