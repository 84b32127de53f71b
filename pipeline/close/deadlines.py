"""What the mere close of a day ends or begins: alerts that run out, dates that have passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.books.book import Book, Episode
from pipeline.books.plans import overdue_goals
from pipeline.config import EngineConfig
from pipeline.health.relationship import OVERDUE_MS
from pipeline.kinds import KINDS
from pipeline.rules.rule import Rule
from schemas.topics import DAY_MS


@dataclass(frozen=True, slots=True)
class Overdue:
    """A date that has passed: the alert it calls for."""

    kind: str
    key: str
    starts_at_ms: int
    observed: float
    days: float


def ended(book: Book, day: int, config: EngineConfig) -> Iterator[tuple[Episode, str]]:
    """Open episodes that end with the day whatever the detectors say, and why."""
    for episode in list(book.episodes):
        kind = KINDS[episode.kind]
        if config.is_off(kind):
            yield episode, "config_change"
        elif kind.family == "expansion" and not kind.immediate and episode.starts_at_ms <= book.expanded_ms:
            yield episode, "realised"
        elif isinstance(kind, Rule) and kind.days is not None and day - episode.opened_day >= kind.days:
            yield episode, "expired"


def overdue(book: Book, end_ms: int) -> Iterator[Overdue]:
    """Invoices and goals that are overdue by the end of the day."""
    for key, invoice in sorted(book.invoices.items()):
        due_ms = invoice.due_at_ms
        if due_ms is None or invoice.settled or due_ms + OVERDUE_MS > end_ms:
            continue
        starts_at_ms = due_ms if invoice.paid_at_ms is None else max(due_ms, invoice.paid_at_ms + 1)
        amount = float(invoice.owed_minor)
        yield Overdue("invoice_overdue", key, starts_at_ms, amount, (end_ms - due_ms) / DAY_MS)
    for kind, key, starts_at_ms, days in overdue_goals(book, end_ms):
        yield Overdue(kind, key, starts_at_ms, days, days)
