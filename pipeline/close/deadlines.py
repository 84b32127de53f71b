"""What the mere close of a day ends or begins: alerts that run out, dates that have passed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.books.book import Book, Episode
from pipeline.books.plans import overdue_goals
from pipeline.health.relationship import OVERDUE_MS
from pipeline.kinds import KNOWN
from pipeline.rules.rule import Rule
from pipeline.state.life import ENDED, PAUSED, TEST
from pipeline.terms.days import Days
from pipeline.terms.kind import Kind
from schemas.topics import DAY_MS


@dataclass(frozen=True, slots=True)
class Overdue:
    """A date that has passed: the alert it calls for."""

    kind: str
    key: str
    starts_at_ms: int
    observed: float
    days: float


def ended(book: Book, life: int, day: int, days: Days, is_off: Callable[[Kind], bool]) -> Iterator[tuple[Episode, str]]:
    """Open episodes that end with the day whatever the detectors say, and why."""
    for episode in list(book.episodes):
        kind = KNOWN[episode.kind]
        if life in (ENDED, TEST):
            yield episode, "ended"
        elif is_off(kind):
            yield episode, "config_change"
        elif kind.family == "expansion" and not kind.immediate and episode.starts_at_ms <= book.expanded_ms:
            yield episode, "realised"
        elif life == PAUSED and kind.of_use and not kind.consequence:
            yield episode, "inhibited"
        elif isinstance(kind, Rule) and kind.days is not None and day - _told_day(episode, days) >= kind.days:
            yield episode, "expired"


def _told_day(episode: Episode, days: Days) -> int:
    """The day that an episode's own end is counted from: the last of what it announces."""
    return episode.opened_day if episode.due_ms is None else max(episode.opened_day, days.of_one(episode.due_ms))


def overdue(book: Book, end_ms: int) -> Iterator[Overdue]:
    """Invoices and goals that are overdue by the end of the day."""
    for key, invoice in sorted(book.invoices.items()):
        due_ms = invoice.due_at_ms
        if due_ms is None or invoice.settled or due_ms + OVERDUE_MS > end_ms:
            continue
        paid_ms = -1 if invoice.paid_at_ms is None else invoice.paid_at_ms
        starts_at_ms = max(due_ms, paid_ms + 1, book.back_ms)
        amount = float(invoice.owed_minor)
        yield Overdue("invoice_overdue", key, starts_at_ms, amount, (end_ms - due_ms) / DAY_MS)
    for kind, key, starts_at_ms, days in overdue_goals(book, end_ms):
        yield Overdue(kind, key, max(starts_at_ms, book.back_ms), days, days)
