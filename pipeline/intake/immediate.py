"""Applying the immediate rules to the facts of an account."""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan
from typing import Any

from pipeline.alerts.lifecycle import Change, begin, resolve, update, worsen
from pipeline.alerts.records import Explanation, contact
from pipeline.books.book import Book, Episode
from pipeline.books.cases import is_quiet
from pipeline.books.endings import remember
from pipeline.books.facts import Fact
from pipeline.rules import ENDED_BY, OPENED_BY
from pipeline.rules.rule import Rule
from pipeline.scorecards.bands import NAMES
from pipeline.state.life import ENDED, TEST
from pipeline.state.state import State


def apply_rules(state: State, row: int, facts: Iterable[Fact]) -> list[dict[str, Any]]:
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
    if state.is_off(rule, row) or fact.at_ms <= book.settled.get(_name(rule, fact), -1):
        return []
    if book.life in (ENDED, TEST) or fact.at_ms < book.back_ms:
        return []
    episode = book.episode(rule.name, fact.key)
    severity, figures = rule.severity_at(fact.observed), (fact.observed, fact.expected, fact.evidence)
    if episode is None:
        if is_quiet(book.expected, rule.name, state.open_day - 1, state.days.start_ms(state.open_day)):
            return []
        day = state.days.of_one(fact.at_ms)
        episode = Episode(rule.name, fact.key, day, fact.at_ms, fact.at_ms, severity, *figures)
        episode.due_ms, episode.who = fact.due_ms, fact.who
        return _records(state, row, rule, book, episode, begin(book, episode))
    if not rule.repeats:
        return []
    change = worsen(episode, severity, figures, fact.at_ms)
    if change is None:
        change = update(episode, episode.severity, figures, "detected", fact.at_ms)
    return _records(state, row, rule, book, episode, change)


def _end(state: State, row: int, rule: Rule, fact: Fact) -> list[dict[str, Any]]:
    book = state.accounts.books[row]
    episode, ends_at_ms, ends = book.episode(rule.name, fact.key), fact.at_ms, False
    if episode is not None:
        if rule.backdated:
            ends_at_ms = max(ends_at_ms, episode.starts_at_ms)
        falls_short = rule.regained and fact.observed < episode.expected
        ends = episode.starts_at_ms <= ends_at_ms and not falls_short
    if rule.remembered and (ends or not rule.regained):
        remember(book, _name(rule, fact), ends_at_ms, state.config.max_book_entries)
    if episode is None or not ends:
        return []
    change = resolve(book, episode, "recovered", fact.at_ms, ends_at_ms)
    return _records(state, row, rule, book, episode, change)


def _name(rule: Rule, fact: Fact) -> str:
    """Under which the book remembers an ending."""
    return f"{rule.name}|{fact.key}"


def _records(
    state: State, row: int, rule: Rule, book: Book, episode: Episode, change: Change | None
) -> list[dict[str, Any]]:
    if change is None:
        return []
    who = [contact(episode.who)] if episode.who else []
    explanation = Explanation(episode.starts_at_ms, change.at_ms, contributors=who, health=_health(state, row))
    account_id, day = state.accounts.ids[row], state.open_day
    return [state.alerting.record(rule, account_id, book, episode, change, explanation, day)]


def _health(state: State, row: int) -> dict[str, Any]:
    """The account's health as of the last closed day, as alerts show it."""
    accounts = state.accounts
    definition = state.definitions.get(int(accounts.primary[row]))
    card = definition.card if definition is not None else state.plan.cards[int(state.plan.primary[0])]
    score = float(accounts.score[row])
    return {
        "scorecard": card.id,
        "version": card.version,
        "score": None if isnan(score) else score,
        "previous_score": None,
        "band": NAMES[int(accounts.band[row])],
        "previous_band": None,
    }
