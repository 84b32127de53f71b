"""Which scorecards judge which accounts: compiled once from the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pipeline.scorecards.builtin import BUILTIN
from pipeline.scorecards.card import Scorecard
from pipeline.scorecards.definition import Definition, content_of
from pipeline.scorecards.profiles import Expectations, HealthProfile
from pipeline.terms.arrays import U64


def catalogue(cards: Iterable[Scorecard]) -> dict[str, Scorecard]:
    """Scorecards by id, the built-in ones included; one of the configuration takes the place of a built-in one."""
    return BUILTIN | {card.id: card for card in cards}


class Plan:
    """The scorecards in force, each with a place of its own (its slot), and what applies to each profile.

    Profile 0 is that of accounts which no configured profile matches.
    """

    def __init__(
        self, cards: Iterable[Scorecard], fallback: tuple[str, ...], profiles: tuple[HealthProfile, ...]
    ) -> None:
        """`cards` beside the built-in ones; `fallback`: ids of those that judge an account which no profile matches."""
        every = catalogue(cards)
        rest = HealthProfile("", fallback)
        self.profiles = profiles
        choices = (rest, *profiles)
        ids = dict.fromkeys(name for profile in choices for name in profile.scorecards)
        self.cards: tuple[Scorecard, ...] = tuple(every[name] for name in ids)
        self.order = tuple(_closure(ids, every))
        """What is evaluated: every scorecard behind those nested in it."""
        self.applies = np.array([[card.id in choice.scorecards for card in self.cards] for choice in choices])
        """By profile and slot."""
        self.primary = np.array([self._primary(choice.scorecards) for choice in choices], dtype=np.uint8)
        """By profile: the slot of the scorecard whose band and score stand for the account."""
        self.expects: tuple[Expectations, ...] = tuple(choice.expects for choice in choices)
        definitions = [
            [Definition(tuple(_closure([card.id], every)), choice.expects) for card in self.cards] for choice in choices
        ]
        self.contents: U64 = np.array([[content_of(each) for each in row] for row in definitions], dtype=np.uint64)
        """Fingerprint by profile and slot of all that decides the score."""
        self.definitions: Mapping[int, Definition] = {
            content_of(each): each
            for row, applies in zip(definitions, self.applies, strict=True)
            for each, used in zip(row, applies, strict=True)
            if used
        }
        self.shadowed = frozenset(card.id for card in every.values() if card.shadow)

    def _primary(self, names: tuple[str, ...]) -> int:
        slots = {card.id: slot for slot, card in enumerate(self.cards)}
        return next(slots[name] for name in names if not self.cards[slots[name]].shadow)


def _closure(names: Iterable[str], every: Mapping[str, Scorecard]) -> Iterable[Scorecard]:
    """The named scorecards and all nested in them, the inner ones first."""
    found: dict[str, Scorecard] = {}

    def visit(name: str) -> None:
        if name not in found:
            for inner in every[name].nested:
                visit(inner)
            found[name] = every[name]

    for name in names:
        visit(name)
    return found.values()
