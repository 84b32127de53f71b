"""What is wrong with scorecards and health profiles, all of it at once; and what is merely unwise."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from pipeline.config import EngineConfig
from pipeline.health.dimensions import DIMENSIONS, FEATURE, dimension_of
from pipeline.scorecards.card import MAX_CRITERIA, NESTED, Scorecard
from pipeline.scorecards.plan import catalogue
from pipeline.scorecards.profiles import HealthProfile
from schemas.errors import UsageError

MAX_CARDS = 8
"""Scorecards in force at once."""
MAX_PROFILES = 64
MIN_DIMENSIONS = 3
MIN_SOURCES = 2
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class ScorecardError(UsageError):
    """Scorecards or profiles that cannot be used; names every problem. Mend the settings."""


def require(config: EngineConfig) -> None:
    """Raises `ScorecardError` when the scorecards and profiles of the configuration cannot be used."""
    found = problems(catalogue(config.scorecards), config.health_scorecards, config.profiles)
    if found:
        raise ScorecardError("\n".join(found))


def problems(cards: Mapping[str, Scorecard], fallback: Sequence[str], profiles: Sequence[HealthProfile]) -> list[str]:
    """Every reason why they cannot be used; empty when they can."""
    found = [f"scorecards.{card.id}: {what}" for card in cards.values() for what in _card(card, cards)]
    found += [f"scorecards: {' > '.join(cycle)} is a circle; a scorecard cannot be its own criterion"
              for cycle in _cycles(cards)]  # fmt: skip
    found += [f"health.scorecards: {what}" for what in _chosen(fallback, cards)]
    names = [profile.name for profile in profiles]
    for profile in profiles:
        found += [f"profiles.{profile.name}: {what}" for what in _profile(profile, cards)]
    found += [f"profiles.{name}: stands there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if len(profiles) > MAX_PROFILES:
        found.append(f"profiles: {len(profiles)} of them, at most {MAX_PROFILES}")
    in_force = {name for names in (fallback, *(profile.scorecards for profile in profiles)) for name in names}
    if len(in_force) > MAX_CARDS:
        found.append(f"scorecards: {len(in_force)} are in force, at most {MAX_CARDS}")
    return found


def warnings(cards: Mapping[str, Scorecard]) -> list[str]:
    """Scorecards that look at too little to be trusted."""
    found = []
    for card in cards.values():
        dimensions = set(_leaves(card, cards))
        sources = {dimension_of(name).source for name in dimensions}
        if len(dimensions) < MIN_DIMENSIONS:
            found.append(f"scorecards.{card.id}: {len(dimensions)} dimensions; health is seldom told by fewer than 3")
        if len(sources) < MIN_SOURCES:
            found.append(f"scorecards.{card.id}: all of it comes from {', '.join(sorted(sources))}; add another source")
    return found


def _card(card: Scorecard, cards: Mapping[str, Scorecard]) -> Iterator[str]:
    if not _NAME.fullmatch(card.id):
        yield "id must begin with a small letter and hold small letters, digits, - and _ only, at most 40"
    if card.version < 1:
        yield f"version must be at least 1 (it is {card.version})"
    if not 1 <= len(card.criteria) <= MAX_CRITERIA:
        yield f"needs 1 to {MAX_CRITERIA} criteria (it has {len(card.criteria)})"
    names = [criterion.dimension for criterion in card.criteria]
    for criterion in card.criteria:
        yield from _criterion(criterion.dimension, criterion.weight, cards)
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} stands there twice"
    rule = card.bands
    if not 0 <= rule.red_below <= rule.red_until <= rule.green_until <= rule.green_from <= 100:
        yield "bands must be ordered: 0 ≤ red_below ≤ red_until ≤ green_until ≤ green_from ≤ 100"
    if not 1 <= rule.hold_days <= 28:
        yield f"bands.hold_days must be between 1 and 28 (it is {rule.hold_days})"
    if not 0 <= rule.min_coverage <= 1:
        yield f"bands.min_coverage must be between 0 and 1 (it is {rule.min_coverage:g})"


def _criterion(name: str, weight: int, cards: Mapping[str, Scorecard]) -> Iterator[str]:
    if not 1 <= weight <= 5:
        yield f"{name}: weight must be a whole number between 1 and 5 (it is {weight})"
    if name.startswith(NESTED):
        inner = name.removeprefix(NESTED)
        if inner not in cards:
            yield f"{name}: there is no such scorecard{_near(inner, cards)}"
    elif name not in DIMENSIONS and not _is_feature(name):
        yield f"{name}: there is no such dimension{_near(name, DIMENSIONS)}"


def _is_feature(name: str) -> bool:
    return name.startswith(FEATURE) and len(name) > len(FEATURE)


def _near(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _chosen(names: Sequence[str], cards: Mapping[str, Scorecard]) -> Iterator[str]:
    for name in names:
        if name not in cards:
            yield f"there is no scorecard {name}{_near(name, cards)}"
    if len(set(names)) < len(names):
        yield "names a scorecard twice"
    if all(cards[name].shadow for name in names if name in cards):
        yield "needs a scorecard that is not in shadow"


def _profile(profile: HealthProfile, cards: Mapping[str, Scorecard]) -> Iterator[str]:
    if not _NAME.fullmatch(profile.name):
        yield "name must begin with a small letter and hold small letters, digits, - and _ only, at most 40"
    for what in _chosen(profile.scorecards, cards):
        yield f"scorecards: {what}"
    expects = profile.expects
    if not 0 < expects.seat_share <= 1:
        yield f"expects.seat_share must be above 0, at most 1 (it is {expects.seat_share:g})"
    if not 0 < expects.touches <= 1000:
        yield f"expects.touches must be above 0, at most 1000 (it is {expects.touches:g})"
    if not 0 <= expects.daily_actions <= 1e9:
        yield f"expects.daily_actions must be between 0 and 1e9 (it is {expects.daily_actions:g})"


def _cycles(cards: Mapping[str, Scorecard]) -> Iterator[tuple[str, ...]]:
    """Each circle once, from its smallest id."""
    seen = set()
    for start in cards:
        for cycle in _walk((start,), cards):
            least = cycle.index(min(cycle))
            turned = (*cycle[least:], *cycle[:least])
            if turned not in seen:
                seen.add(turned)
                yield (*turned, turned[0])


def _walk(path: tuple[str, ...], cards: Mapping[str, Scorecard]) -> Iterator[tuple[str, ...]]:
    """The ways through nested scorecards that lead back to the first of a path."""
    for inner in cards[path[-1]].nested:
        if inner == path[0]:
            yield path
        elif inner in cards and inner not in path:
            yield from _walk((*path, inner), cards)


def _leaves(card: Scorecard, cards: Mapping[str, Scorecard]) -> Iterator[str]:
    for criterion in card.criteria:
        if not criterion.dimension.startswith(NESTED):
            yield criterion.dimension
    for inner in card.nested:
        yield from _leaves(cards[inner], cards)
