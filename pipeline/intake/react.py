"""Applying the immediate rules to the facts of an account."""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan
from typing import Any

from pipeline.alerts.records import Change, Scene
from pipeline.books.book import Book, Episode
from pipeline.books.endings import remember
from pipeline.books.facts import Fact
from pipeline.rules import ENDED_BY, OPENED_BY
from pipeline.rules.rule import Rule
from pipeline.scorecards.bands import NAMES
from pipeline.state.state import State
from pipeline.terms.kind import severity_rises


def react(state: State, row: int, facts: Iterable[Fact]) -> list[dict[str, Any]]:
    """Alert records that the facts cause, in order."""
    records = []
    for fact in facts:
        for rule in ENDED_BY.get(fact.name, ()):
            records += _end(state, row, rule, fact)
        for rule in OPENED_BY.get(fact.name, ()):
            records += _begin(state, row, rule, fact)
    return records


def _begin(state: State, row: int, rule: Rule, fact: Fact) -> list[dict[str, Any]]:
    book = state.accounts.books[row]
    if rule.name in state.config.disabled_kinds or fact.at_ms <= book.settled.get(f"{rule.name}|{fact.key}", -1):
        return []
    episode = book.episode(rule.name, fact.key)
    severity, values = rule.severity_at(fact.observed), (fact.observed, fact.expected, fact.evidence)
    if episode is None:
        day = state.days.of_one(fact.at_ms)
        episode = Episode(rule.name, fact.key, day, fact.at_ms, fact.at_ms, severity, *values)
        book.episodes.append(episode)
        return [_record(state, row, rule, book, episode, Change("firing", "detected", fact.at_ms))]
    if not rule.repeats:
        return []
    worse = severity_rises(episode.severity, severity)
    episode.revision += 1
    episode.observed, episode.expected, episode.evidence = values
    if worse:
        episode.severity = severity
    return [_record(state, row, rule, book, episode, Change("firing", "worsened" if worse else "detected", fact.at_ms))]


def _end(state: State, row: int, rule: Rule, fact: Fact) -> list[dict[str, Any]]:
    book = state.accounts.books[row]
    episode = book.episode(rule.name, fact.key)
    ends_at_ms = fact.at_ms
    if episode is not None and rule.backdated:
        ends_at_ms = max(ends_at_ms, episode.starts_at_ms)
    ends = episode is not None and episode.starts_at_ms <= ends_at_ms
    ends = ends and not (rule.regained and episode is not None and fact.observed < episode.expected)
    if rule.remembered and (ends or not rule.regained):
        remember(book, f"{rule.name}|{fact.key}", ends_at_ms, state.config.max_book_entries)
    if episode is None or not ends:
        return []
    book.episodes.remove(episode)
    episode.revision += 1
    return [_record(state, row, rule, book, episode, Change("resolved", "recovered", fact.at_ms, ends_at_ms))]


def health_of(state: State, row: int) -> dict[str, Any]:
    """The account's health as of the last closed day, as alerts show it."""
    accounts = state.accounts
    definition = state.definitions.get(int(accounts.primary[row]))
    card = definition.card if definition is not None else state.plan.cards[int(state.plan.primary[0])]
    return {
        "scorecard": card.id,
        "version": card.version,
        "score": _known(float(accounts.score[row])),
        "previous_score": None,
        "band": NAMES[int(accounts.band[row])],
        "previous_band": None,
    }


def _known(score: float) -> float | None:
    return None if isnan(score) else score


def _record(state: State, row: int, rule: Rule, book: Book, episode: Episode, change: Change) -> dict[str, Any]:
    scene = Scene(episode.starts_at_ms, change.at_ms, health=health_of(state, row))
    return state.alerting.record(rule, state.accounts.ids[row], book, episode, change, scene)
