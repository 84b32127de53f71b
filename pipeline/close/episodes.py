"""The episodes of one account on a close: what opens, goes on, eases and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from pipeline.alerts.records import Change
from pipeline.books.book import Book, Episode
from pipeline.close.deadlines import ended, overdue
from pipeline.close.inhibition import inhibitor
from pipeline.detectors import BEFORE_SCORE, DETECTORS, Dated, Detector, Graded
from pipeline.explain.scenes import Step
from pipeline.health.judging import DayContext, Verdict
from pipeline.health.kinds import HEALTH_CHANGED, HEALTH_UNKNOWN
from pipeline.kinds import KINDS
from pipeline.scorecards import bands
from pipeline.state.state import State
from pipeline.terms.kind import Kind, severity_rises
from pipeline.terms.records import Outcome

CLEAR_DAYS = 5
EXPIRE_DAYS = 84
_SEVERITY_OF_BAND = {bands.RED: "error", bands.YELLOW: "warning"}
_NUMBER = {detector.KIND.name: number for number, detector in enumerate(DETECTORS)}
_DATED = {detector.KIND.name: detector for detector in DETECTORS if isinstance(detector, Dated)}
_GRADED = {detector.KIND.name: detector for detector in DETECTORS if isinstance(detector, Graded)}
_BEFORE, _AFTER = range(len(BEFORE_SCORE)), range(len(BEFORE_SCORE), len(DETECTORS))


@dataclass(slots=True)
class Closing:
    """One account of a view on the close of its day.

    `raised` are the numbers in `DETECTORS` of the kinds that are raised; `has_news` tells whether a scorecard has
    moved, `is_late` whether a date has passed.
    """

    state: State
    context: DayContext
    row: int
    place: int
    raised: Sequence[int]
    has_news: bool
    is_late: bool
    outcome: Outcome
    steps: list[Step]
    """Those of all accounts of the view so far."""
    book: Book = field(init=False)

    def __post_init__(self) -> None:
        self.book = self.state.accounts.book(self.row)

    def run(self) -> None:
        """Advance every kind that is raised or open, in the order of the detector tables."""
        for episode, reason in ended(self.book, self.context.view.day, self.state.config):
            self._resolve(episode, reason)
        self._advance_all(_BEFORE)
        if self.is_late:
            self._open_overdue()
        if self.has_news or any(KINDS[episode.kind].of_card for episode in self.book.episodes):
            self._health()
        self._advance_all(_AFTER)
        self.state.accounts.open_episodes[self.row] = len(self.book.episodes)

    def _advance_all(self, numbers: range) -> None:
        """Advance the kinds that are raised or open, of these."""
        opened = {_NUMBER[episode.kind] for episode in self.book.episodes if episode.kind in _NUMBER}
        for number in sorted(opened.union(self.raised)) if opened else self.raised:
            if number in numbers:
                self._advance(DETECTORS[number])

    def _open_overdue(self) -> None:
        for late in overdue(self.book, self.context.view.end_ms):
            if self.book.episode(late.kind, late.key) is None:
                values = (late.observed, 0.0, late.days)
                kind = KINDS[late.kind]
                self._open(kind, late.key, late.starts_at_ms, kind.severity, values)

    def _emit(self, episode: Episode, status: str, reason: str) -> None:
        end_ms = self.context.view.end_ms
        change = Change(status, reason, end_ms, end_ms if status == "resolved" else None)
        step = Step(self.row, self.place, self._verdict_of(episode), msgspec.structs.replace(episode), change)
        self.steps.append(step)
        self.state.accounts.dirty[self.row] = True

    def _verdict_of(self, episode: Episode) -> Verdict:
        """The scorecard that an alert is about; the primary one unless it says otherwise."""
        if KINDS[episode.kind].of_card:
            for verdict in self.context.judgement.verdicts:
                if verdict.card.id == episode.dimension:
                    return verdict
        return self.context.judgement.primary_of(self.place)

    def _open(
        self,
        kind: Kind,
        dimension: str,
        starts_at_ms: int,
        severity: str,
        values: tuple[float, float, float],
        onset: tuple[int, int, int] | None = None,
    ) -> None:
        if kind.name in self.state.config.disabled_kinds:
            return
        view = self.context.view
        episode = Episode(kind.name, dimension, view.day, starts_at_ms, view.end_ms, severity, *values, onset=onset)
        self.book.episodes.append(episode)
        self._emit(episode, "firing", "detected")

    def _resolve(self, episode: Episode, reason: str) -> None:
        self.book.episodes.remove(episode)
        episode.revision += 1
        self._emit(episode, "resolved", reason)

    def _advance(self, detector: Detector) -> None:
        kind, place = detector.KIND, self.place
        finding, episode = self.context.findings[kind.name], self.book.episode(kind.name, kind.dimension)
        if episode is None:
            if not finding.raised[place] or self._held_back(kind):
                return
            by = inhibitor(self.state, self.row, self.book, kind)
            if by is not None:
                self.outcome.suppressed[by] += 1
            else:
                start_ms = self.state.days.start_ms(self.context.view.day)
                severity = self._severity(kind)
                dated = _DATED.get(kind.name)
                onset = dated.onset(self.context.view, place) if dated is not None else None
                self._open(kind, kind.dimension, start_ms, severity, finding.values_at(place), onset)
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
        elif finding.raised[place] and severity_rises(episode.severity, self._severity(kind)):
            episode.severity = self._severity(kind)
            episode.observed, episode.expected, episode.evidence = finding.values_at(place)
            episode.revision += 1
            self._emit(episode, "firing", "worsened")

    def _severity(self, kind: Kind) -> str:
        graded = _GRADED.get(kind.name)
        return kind.severity if graded is None else graded.severity(self.context.view, self.place)

    def _held_back(self, kind: Kind) -> bool:
        """Whether the kind is for quiet times, and a risk of the account is open."""
        return kind.calm and any(KINDS[episode.kind].family == "risk" for episode in self.book.episodes)

    def _health(self) -> None:
        """Follow the bands of the scorecards that apply, and end what was said by those that do not any more."""
        applied = {verdict.card.id for verdict in self.context.judgement.verdicts if verdict.applies[self.place]}
        for episode in list(self.book.episodes):
            if KINDS[episode.kind].of_card and episode.dimension not in applied:
                self._resolve(episode, "expired")
        for verdict in self.context.judgement.verdicts:
            if verdict.applies[self.place]:
                self._follow_band(verdict)

    def _follow_band(self, verdict: Verdict) -> None:
        """Alert on the move of a band: for the worse opens or worsens, for the better eases or resolves."""
        day, card = self.context.view.day, verdict.card.id
        changed, unknown = (self.book.episode(kind.name, card) for kind in (HEALTH_CHANGED, HEALTH_UNKNOWN))
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
            self._open(HEALTH_UNKNOWN, card, start_ms, HEALTH_UNKNOWN.severity, values)
        elif changed is None and band < before:
            self._open(HEALTH_CHANGED, card, start_ms, _SEVERITY_OF_BAND[band], values)
