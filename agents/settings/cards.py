"""Scorecards and health profiles: tables that the file may repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from agents.settings.problems import Problem
from pipeline.health.check import problems, warnings
from pipeline.kinds import require_known
from pipeline.scorecards.card import Scorecard
from pipeline.scorecards.plan import catalogue
from pipeline.scorecards.profiles import HealthProfile

if TYPE_CHECKING:
    from agents.settings.sections import Health
    from agents.settings.sources import Found

Entry = TypeVar("Entry", Scorecard, HealthProfile)
Cards = tuple[Scorecard, ...]
Profiles = tuple[HealthProfile, ...]


def read_cards(found: Found) -> tuple[Cards, Profiles, list[Problem]]:
    """The entries of the file, and what cannot be read of them."""
    wrong: list[Problem] = []
    cards = tuple(_entries(found, "scorecards", "id", Scorecard, wrong))
    profiles = tuple(_entries(found, "profiles", "name", HealthProfile, wrong))
    return cards, profiles, wrong


def _entries(found: Found, table: str, key: str, kind: type[Entry], wrong: list[Problem]) -> Iterator[Entry]:
    for number, entry in enumerate(found.tables.get(table, ()), start=1):
        name = entry.get(key, number) if isinstance(entry, Mapping) else number
        try:
            yield msgspec.convert(entry, kind)
        except msgspec.ValidationError as error:
            wrong.append(Problem(found.file, f"{table}.{name}", None, str(error).replace("`", "").replace("$.", "")))


def card_problems(cards: Cards, profiles: Profiles, health: Health | None, file: str) -> list[Problem]:
    """What does not fit together; without the section, its default is looked at."""
    names = [card.id for card in cards]
    found = [f"scorecards.{name}: stands there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    chosen = health.scorecards if health is not None else ("default",)
    found += problems(catalogue(cards), chosen, profiles)
    found += [f"profiles.{profile.name}: {what}" for profile in profiles for what in _kinds(profile)]
    return [Problem(file or "settings", *_split(line)) for line in found]


def _kinds(profile: HealthProfile) -> Iterator[str]:
    try:
        require_known(profile.disabled_kinds)
    except ValueError as error:
        yield f"disabled_kinds: {error}; `foreshock rules list` prints them"


def _split(line: str) -> tuple[str, None, str]:
    setting, _, message = line.partition(": ")
    return setting, None, message


def card_warnings(cards: Cards) -> list[str]:
    """Scorecards of the file that look at too little."""
    ours = {card.id for card in cards}
    return [line for line in warnings(catalogue(cards)) if line.split(":")[0].removeprefix("scorecards.") in ours]


def shown(cards: Cards, profiles: Profiles) -> dict[str, dict[str, Any]]:
    """Both as plain values."""
    return {
        "scorecards": {card.id: msgspec.to_builtins(card) for card in cards},
        "profiles": {profile.name: msgspec.to_builtins(profile) for profile in profiles},
    }
