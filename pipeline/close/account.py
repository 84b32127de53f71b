"""An account on the close of its day: its book, and the steps that its episodes take."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from pipeline.alerts.lifecycle import Change, Figures, begin, resolve
from pipeline.books.book import Book, Episode
from pipeline.books.people import person
from pipeline.explain.explanation import Step
from pipeline.health.judging import JudgedView, Verdict
from pipeline.kinds import KINDS
from pipeline.state.state import State
from pipeline.terms.kind import Kind


@dataclass(slots=True)
class ClosingAccount:
    """One account of a view that is being closed."""

    state: State
    judged: JudgedView
    row: int
    place: int
    steps: list[Step]
    """Those of all accounts of the view so far."""
    book: Book = field(init=False)

    def __post_init__(self) -> None:
        self.book = self.state.accounts.book(self.row)

    @property
    def life(self) -> int:
        """What the account is, as of the day."""
        return int(self.judged.view.life[self.place])

    def open(
        self,
        kind: Kind,
        dimension: str,
        severity: str,
        figures: Figures,
        *,
        starts_at_ms: int | None = None,
        onset: tuple[int, int, int] | None = None,
        points: list[tuple[str, float]] | None = None,
    ) -> None:
        """Open an episode, which begins with the day unless told otherwise; nothing happens if the kind is off."""
        if self.state.config.is_off(kind):
            return
        view = self.judged.view
        if starts_at_ms is None:
            starts_at_ms = self.state.days.start_ms(view.day)
        who = person(self.book, kind.person) if kind.person else ""
        episode = Episode(
            kind.name,
            dimension,
            view.day,
            starts_at_ms,
            view.end_ms,
            severity,
            *figures,
            onset=onset,
            points=points,
            who=who,
        )
        self.take(episode, begin(self.book, episode))

    def resolve(self, episode: Episode, reason: str) -> None:
        """End an open episode with the day."""
        self.take(episode, resolve(self.book, episode, reason, self.judged.view.end_ms))

    def take(self, episode: Episode, change: Change | None) -> None:
        """Add a step, if there was one, to those that become alert records."""
        if change is not None:
            seen = msgspec.structs.replace(episode)
            self.steps.append(Step(self.row, self.place, self._verdict_of(episode), seen, change))
            self.state.accounts.dirty[self.row] = True

    def _verdict_of(self, episode: Episode) -> Verdict:
        """The scorecard that an alert is about; the primary one unless it says otherwise."""
        if KINDS[episode.kind].of_card:
            for verdict in self.judged.judgement.verdicts:
                if verdict.card.id == episode.dimension:
                    return verdict
        return self.judged.judgement.primary_of(self.place)
