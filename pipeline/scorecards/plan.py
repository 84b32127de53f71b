"""Which scorecards judge which accounts: compiled once from the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

import msgspec
import numpy as np

from pipeline.config import EngineConfig
from pipeline.hashing import U64
from pipeline.scorecards.builtin import BUILTIN
from pipeline.scorecards.card import Scorecard
from pipeline.scorecards.check import problems
from pipeline.scorecards.profiles import Expectations, HealthProfile
from pipeline.scorecards.reading import Bools
from pipeline.scorecards.score import Definition


class ScorecardError(ValueError):
    """Scorecards or profiles that cannot be used; names every problem. Mend the settings."""


def catalogue(config: EngineConfig) -> dict[str, Scorecard]:
    """Scorecards by id; one of the configuration takes the place of a built-in one."""
    return BUILTIN | {card.id: card for card in config.scorecards}


class Plan:
    """The scorecards in force, each with a place of its own (its slot), and what applies to each profile.

    Profile 0 is that of accounts which no configured profile matches.

    Raises:
        ScorecardError: the configuration cannot be used.
    """

    def __init__(self, config: EngineConfig) -> None:
        found = problems(catalogue(config), config.health_scorecards, config.profiles)
        if found:
            raise ScorecardError("\n".join(found))
        every = catalogue(config)
        rest = HealthProfile("", config.health_scorecards)
        self.profiles = config.profiles
        choices = (rest, *config.profiles)
        ids = dict.fromkeys(name for profile in choices for name in profile.scorecards)
        self.cards: tuple[Scorecard, ...] = tuple(every[name] for name in ids)
        self.order = tuple(_closure(ids, every))
        """What is evaluated: every scorecard behind those nested in it."""
        self.applies: Bools = np.array([[card.id in choice.scorecards for card in self.cards] for choice in choices])
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


def content_of(definition: Definition) -> int:
    """Fingerprint of a definition; whether it is in shadow decides no score. Never 0."""
    cards = tuple(msgspec.structs.replace(card, shadow=False) for card in definition.cards)
    data = msgspec.json.encode(msgspec.structs.replace(definition, cards=cards))
    return int.from_bytes(sha256(data).digest()[:8], "big") or 1
