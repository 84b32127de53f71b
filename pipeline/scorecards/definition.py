"""All that decides an account's score, and its fingerprint."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from pipeline.scorecards.card import Scorecard
from pipeline.scorecards.profiles import Expectations


class Definition(msgspec.Struct, frozen=True, array_like=True):
    """All that decides an account's score: the scorecard behind those nested in it, and what is expected."""

    cards: tuple[Scorecard, ...]
    expects: Expectations

    @property
    def card(self) -> Scorecard:
        """The scorecard itself."""
        return self.cards[-1]


def content_of(definition: Definition) -> int:
    """Fingerprint of a definition; whether it is in shadow decides no score. Never 0."""
    cards = tuple(msgspec.structs.replace(card, shadow=False) for card in definition.cards)
    data = msgspec.json.encode(msgspec.structs.replace(definition, cards=cards))
    return int.from_bytes(sha256(data).digest()[:8], "big") or 1
