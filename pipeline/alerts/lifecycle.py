"""The life of an episode: opened, updated, resolved or retracted.

Nowhere else does an episode enter or leave its book, nor its revision grow. Each step gives the change to be recorded;
what is to happen, those decide who call it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.books.book import Book, Episode
from pipeline.terms.kind import severity_rises

CLEAR_DAYS = 5
"""Clear days in a row that resolve an episode."""
EXPIRE_DAYS = 84
"""Days after its first on which an episode expires."""

Figures = tuple[float, float, float]
"""What was observed, what was expected, and the evidence."""


@dataclass(frozen=True, slots=True)
class Change:
    """One step of an episode: what becomes of it, why, and when in event time."""

    status: str
    reason: str
    at_ms: int
    ends_at_ms: int | None = None


def begin(book: Book, episode: Episode) -> Change:
    """Open an episode, as it was detected."""
    book.episodes.append(episode)
    return Change("firing", "detected", episode.detected_at_ms)


def update(episode: Episode, severity: str, figures: Figures, reason: str, at_ms: int) -> Change:
    """Go on with other figures, for better or worse."""
    episode.severity = severity
    episode.observed, episode.expected, episode.evidence = figures
    episode.revision += 1
    return Change("firing", reason, at_ms)


def worsen(episode: Episode, severity: str, figures: Figures, at_ms: int) -> Change | None:
    """Go on with a higher severity; nothing happens unless it is higher."""
    if not severity_rises(episode.severity, severity):
        return None
    return update(episode, severity, figures, "worsened", at_ms)


def follow(episode: Episode, severity: str, figures: Figures, at_ms: int) -> Change | None:
    """Go on with another severity, higher or lower; nothing happens while it is the same."""
    if severity == episode.severity:
        return None
    reason = "worsened" if severity_rises(episode.severity, severity) else "recovered"
    return update(episode, severity, figures, reason, at_ms)


def resolve(book: Book, episode: Episode, reason: str, at_ms: int, ends_at_ms: int | None = None) -> Change:
    """End an episode, at `ends_at_ms` or with the step itself."""
    return _leave(book, episode, Change("resolved", reason, at_ms, at_ms if ends_at_ms is None else ends_at_ms))


def retract(book: Book, episode: Episode, reason: str, at_ms: int) -> Change:
    """Take back an episode that should never have been opened; so it has no end."""
    return _leave(book, episode, Change("retracted", reason, at_ms))


def expire(book: Book, episode: Episode, day: int, at_ms: int) -> Change | None:
    """End an episode that has lasted too long by the close of a day."""
    if day - episode.opened_day < EXPIRE_DAYS:
        return None
    return resolve(book, episode, "expired", at_ms)


def age(book: Book, episode: Episode, day: int, at_ms: int, *, clear: bool, enough: int = CLEAR_DAYS) -> Change | None:
    """Count a closed day on which its kind was clear or was not; enough clear ones in a row end an episode."""
    episode.clear_days = episode.clear_days + 1 if clear else 0
    if episode.clear_days >= enough:
        return resolve(book, episode, "recovered", at_ms)
    return expire(book, episode, day, at_ms)


def _leave(book: Book, episode: Episode, change: Change) -> Change:
    book.episodes.remove(episode)
    episode.revision += 1
    return change
