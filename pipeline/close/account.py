"""An account on the close of its day: its book, and the steps that its episodes take."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from pipeline.alerts.lifecycle import Change, Figures, begin, resolve, update
from pipeline.alerts.records import alert_id
from pipeline.books.book import Book, Episode
from pipeline.books.cases import Suppressed, is_quiet
from pipeline.books.people import person
from pipeline.close.inhibition import followed
from pipeline.explain.explanation import Step
from pipeline.health.judging import JudgedView, Verdict
from pipeline.kinds import KNOWN
from pipeline.state.state import State
from pipeline.terms.kind import Kind
from pipeline.terms.records import Inhibitor


@dataclass(slots=True)
class ClosingAccount:
    """One account of a view that is being closed."""

    state: State
    judged: JudgedView
    row: int
    place: int
    steps: list[Step]
    """Those of the account so far."""
    suppressed: list[Suppressed]
    """Alerts of the account that did not open so far."""
    book: Book = field(init=False)

    def __post_init__(self) -> None:
        self.book = self.state.accounts.book(self.row)

    @property
    def life(self) -> int:
        """What the account is, as of the day."""
        return int(self.judged.view.life[self.place])

    def is_off(self, kind: Kind) -> bool:
        """Whether a kind is switched off for the account."""
        return self.state.is_off(kind, self.row)

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
        follows: bool = True,
    ) -> None:
        """Open an episode, which begins with the day unless told otherwise; nothing happens if the kind is off.

        One that `follows` from an alert about use that is open joins that one.
        """
        if self.is_off(kind):
            return
        view = self.judged.view
        if is_quiet(self.book.expected, kind.name, view.day, view.end_ms):
            self.suppress(kind, "expected")
            return
        leader = followed(self.book, kind, severity, self.state.config.shadow_kinds) if follows else None
        if leader is not None:
            self._join(leader, kind)
            return
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

    def suppress(self, kind: Kind, by: Inhibitor, other: Episode | None = None) -> None:
        """Note that an alert does not open, and which other one of the account says it."""
        account_id = self.state.accounts.ids[self.row]
        known_as = None
        if other is not None:
            known_as = str(alert_id(account_id, other.kind, other.dimension, other.starts_at_ms))
        self.suppressed.append(Suppressed(kind.name, by, known_as, self.judged.view.day))

    def _join(self, leader: Episode, kind: Kind) -> None:
        """An alert goes on with what follows from it, which is told with what is told of it today anyway."""
        if kind.name in leader.joined:
            return
        leader.joined = (*leader.joined, kind.name)
        told = [each for each in self.steps if each.episode.kind == leader.kind and each.change.status == "firing"]
        if told:
            told[-1].episode.joined = leader.joined
        else:
            figures = leader.observed, leader.expected, leader.evidence
            self.take(leader, update(leader, leader.severity, figures, "detected", self.judged.view.end_ms))

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
        if KNOWN[episode.kind].of_card:
            for verdict in self.judged.judgement.verdicts:
                if verdict.card.id == episode.dimension:
                    return verdict
        return self.judged.judgement.primary_of(self.place)
