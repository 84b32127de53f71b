"""Closing a day: every account of the partition evaluated as of it, in one vectorised pass per block of accounts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline import bands
from pipeline.alerts import Change, Scene
from pipeline.amend import amend
from pipeline.books import Book, Episode
from pipeline.detectors import AFTER_SCORE, BEFORE_SCORE, Detector
from pipeline.detectors.view import Census, View, census
from pipeline.kinds import KINDS
from pipeline.records import Outcome
from pipeline.rules import severity_rises
from pipeline.scenes import DayContext, health_records, scene
from pipeline.scorecards import default
from pipeline.signals import context_of, promote_readings, same_context
from pipeline.state import State
from pipeline.tickets import forget_closed

BLOCK = 8_192
"""Accounts evaluated at a time: their working columns fit in a processor's cache."""
CLEAR_DAYS = 5
EXPIRE_DAYS = 84
PUBLISH_POINTS = 3.0
Bools = npt.NDArray[np.bool_]
_SEVERITY_OF_BAND = {bands.RED: "error", bands.YELLOW: "warning"}


def close_day(state: State, outcome: Outcome) -> None:
    """Close the open day and open the next; alerts and health records go to `outcome`."""
    day, accounts = state.open_day, state.accounts
    held = _held(state, day)
    if len(accounts):
        amend(state, day, held, outcome)
        accounts.summarise()
        counts = census(state.users, state.features, accounts.size, day)
        for start in range(1, accounts.size, BLOCK):
            rows = slice(start, min(start + BLOCK, accounts.size))
            _close_block(state, rows, day, counts.part(rows), held, outcome)
        _age(state, day, held)
    _refresh_books(state, day, held)
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
            accounts.dirty[row] = True
    before_ms = state.days.start_ms(state.first_amendable_day)
    for row in due(state.closed_tickets):
        if forget_closed(accounts.books[row], before_ms):
            accounts.dirty[row] = True
        if not accounts.books[row].closed_tickets:
            state.closed_tickets.discard(row)
    for rows in (state.waiting_readings, state.stale_context):
        rows.intersection_update([row for row in rows if held is not None and held[row]])


def _close_block(state: State, rows: slice, day: int, counts: Census, held: Bools | None, outcome: Outcome) -> None:
    accounts = state.accounts
    view = View(accounts, rows, day, state.days, state.config.arl_days, counts)
    findings = {detector.KIND: detector.evaluate(view) for detector in BEFORE_SCORE}
    score = default.evaluate(view)
    context = DayContext(view, findings, score, accounts.score[rows].copy(), accounts.band[rows].copy())
    live = np.ones(len(view), dtype=np.bool_) if held is None else ~held[rows]
    _move_bands(state, context, live)
    view.band = accounts.band[rows]
    findings |= {detector.KIND: detector.evaluate(view) for detector in AFTER_SCORE}
    moved = view.band != context.previous_band
    concerned = accounts.open_episodes[rows] > 0
    for finding in findings.values():
        concerned |= finding.raised
    concerned |= moved | (accounts.first_due_ms[rows] + default.OVERDUE_MS <= view.end_ms)
    for place in np.flatnonzero(concerned & live).tolist():
        _Closing(state, context, rows.start + place, place, outcome).run(moved=bool(moved[place]))
    _publish_health(state, context, rows, live, outcome)


def _move_bands(state: State, context: DayContext, live: Bools) -> None:
    accounts, rows, score = state.accounts, context.view.rows, context.score
    before = bands.BandState(accounts.band[rows], accounts.candidate[rows], accounts.candidate_days[rows])
    after = bands.move(before, score.score, score.coverage)
    changed = (after.band != before.band) | (after.candidate != before.candidate)
    changed |= (after.candidate_days != before.candidate_days) | ~_equal(score.score, accounts.score[rows])
    accounts.dirty[rows] |= changed & live
    moved = live & (after.band != before.band)
    accounts.band_since_day[rows] = np.where(moved, context.view.day, accounts.band_since_day[rows])
    for name, value in (
        ("band", after.band),
        ("candidate", after.candidate),
        ("candidate_days", after.candidate_days),
        ("score", score.score),
    ):
        column = getattr(accounts, name)
        column[rows] = np.where(live, value, column[rows])


def _equal(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> Bools:
    return np.asarray((left == right) | (np.isnan(left) & np.isnan(right)))


def _publish_health(state: State, context: DayContext, rows: slice, live: Bools, outcome: Outcome) -> None:
    accounts = state.accounts
    score, shown = accounts.score[rows], accounts.published_score[rows]
    due = ~accounts.published[rows] | (accounts.band[rows] != context.previous_band)
    due |= (np.abs(score - shown) >= PUBLISH_POINTS) | (np.isnan(score) != np.isnan(shown))
    places = np.flatnonzero(due & live)
    if len(places):
        outcome.health += health_records(state, context, places, rows.start)
        published = places + rows.start
        accounts.published[published] = True
        accounts.published_score[published] = accounts.score[published]
        accounts.dirty[published] = True


@dataclass(slots=True)
class _Closing:
    """The episodes of one account on one close."""

    state: State
    context: DayContext
    row: int
    place: int
    outcome: Outcome
    book: Book = field(init=False)
    _scene: Scene | None = None

    def __post_init__(self) -> None:
        self.book = self.state.accounts.book(self.row)

    def run(self, *, moved: bool) -> None:
        """Advance every kind, in the order of the detector tables."""
        for detector in BEFORE_SCORE:
            self._advance(detector)
        self._overdue_invoices()
        self._health(moved=moved)
        for detector in AFTER_SCORE:
            self._advance(detector)
        self.state.accounts.open_episodes[self.row] = len(self.book.episodes)

    def _emit(self, episode: Episode, status: str, reason: str) -> None:
        if self._scene is None:
            self._scene = scene(self.state, self.context, self.row, self.place)
        end_ms = self.context.view.end_ms
        change = Change(status, reason, end_ms, end_ms if status == "resolved" else None)
        account_id = self.state.accounts.ids[self.row]
        self.outcome.alerts.append(self.state.alerting.record(account_id, self.book, episode, change, self._scene))
        self.state.accounts.dirty[self.row] = True

    def _open(
        self, kind: str, dimension: str, starts_at_ms: int, severity: str, values: tuple[float, float, float]
    ) -> None:
        view = self.context.view
        episode = Episode(kind, dimension, view.day, starts_at_ms, view.end_ms, severity, *values)
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
            if finding.raised[place]:
                start_ms = self.state.days.start_ms(self.context.view.day)
                severity = self._severity(detector.KIND)
                self._open(detector.KIND, detector.DIMENSION, start_ms, severity, finding.values_at(place))
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

    def _overdue_invoices(self) -> None:
        end_ms = self.context.view.end_ms
        for key, invoice in sorted(self.book.invoices.items()):
            due_ms = invoice.due_at_ms
            if due_ms is None or invoice.settled or due_ms + default.OVERDUE_MS > end_ms:
                continue
            if self.book.episode("invoice_overdue", key) is None:
                starts_at_ms = due_ms if invoice.paid_at_ms is None else max(due_ms, invoice.paid_at_ms + 1)
                days = (end_ms - due_ms) / 86_400_000
                self._open("invoice_overdue", key, starts_at_ms, "error", (float(invoice.amount_minor or 0), 0.0, days))

    def _health(self, *, moved: bool) -> None:
        """Alert on the move of the band: for the worse opens or worsens, for the better eases or resolves."""
        day = self.context.view.day
        open_ones = {kind: self.book.episode(kind, default.ID) for kind in ("health_changed", "health_unknown")}
        changed, unknown = open_ones["health_changed"], open_ones["health_unknown"]
        if not moved:
            for episode in (changed, unknown):
                if episode is not None and day - episode.opened_day >= EXPIRE_DAYS:
                    self._resolve(episode, "expired")
            return
        band, before = int(self.context.view.band[self.place]), int(self.context.previous_band[self.place])
        score = float(np.nan_to_num(self.state.accounts.score[self.row]))
        previous = float(np.nan_to_num(self.context.previous_score[self.place]))
        values = (score, previous, score - previous)
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
            self._open("health_unknown", default.ID, start_ms, "info", values)
        elif changed is None and band < before:
            self._open("health_changed", default.ID, start_ms, _SEVERITY_OF_BAND[band], values)
