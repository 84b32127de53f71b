"""The life of an episode: opened, updated, resolved or retracted.

Nowhere else does an episode enter or leave its book, nor its revision grow. Each step gives the change to be recorded,
if it is one of which anybody is told; what is to happen, those decide who call it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.books.book import Book, Episode
from pipeline.terms.kind import Kind, severity_rises

STEPS = (7, 14, 30, 60, 90)
"""Numbers of days at which what an alert says of them is brought up to date; counting up, multiples of the last too."""
_IN_A_DAY = {"days": 1.0, "hours": 24.0}

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


def update(episode: Episode, severity: str, figures: Figures, reason: str, at_ms: int) -> Change | None:
    """Go on with other figures, for better or worse; a muted one wakes when it gets more severe."""
    rises = severity_rises(episode.severity, severity)
    episode.severity = severity
    episode.observed, episode.expected, episode.evidence = figures
    if episode.muted:
        return wake(episode, reason, at_ms) if rises else None
    episode.revision += 1
    return Change("firing", reason, at_ms)


def mute(episode: Episode, at_ms: int) -> Change:
    """Close an episode whose condition may hold: nothing more is told of it until it wakes."""
    episode.revision += 1
    episode.muted = True
    return Change("resolved", "closed", at_ms, at_ms)


def wake(episode: Episode, reason: str, at_ms: int) -> Change:
    """Go on with a muted episode as another alert, whose start no other one of its key can have."""
    episode.muted = False
    episode.revision = 1
    episode.starts_at_ms, episode.detected_at_ms = at_ms - 1, at_ms
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


def resolve(book: Book, episode: Episode, reason: str, at_ms: int, ends_at_ms: int | None = None) -> Change | None:
    """End an episode, at `ends_at_ms` or with the step itself."""
    return _leave(book, episode, Change("resolved", reason, at_ms, at_ms if ends_at_ms is None else ends_at_ms))


def retract(book: Book, episode: Episode, reason: str, at_ms: int) -> Change | None:
    """Take back an episode that should never have been opened; so it has no end."""
    return _leave(book, episode, Change("retracted", reason, at_ms))


def age(book: Book, kind: Kind, episode: Episode, day: int, at_ms: int, *, clear: bool, raised: bool) -> Change | None:
    """Count a closed day on which its kind was clear or was not; enough clear ones in a row end an episode.

    Of one that is old days count on which its kind is not raised: what it measures against has come to include it.
    """
    faded = not (raised or kind.lasting) and day - episode.opened_day >= kind.fade_days
    episode.clear_days = episode.clear_days + 1 if clear or faded else 0
    if episode.clear_days < kind.clear_days:
        return None
    return resolve(book, episode, "recovered" if clear else "expired", at_ms)


def go_on(kind: Kind, episode: Episode, severity: str, figures: Figures, at_ms: int) -> Change | None:
    """Go on with a higher severity, or when the number of days that is told has reached another step.

    What follows from other kinds is as bad as they are, for better too.
    """
    change = (follow if kind.consequence else worsen)(episode, severity, figures, at_ms)
    if change is None and _steps(kind, figures[0]) != _steps(kind, episode.observed):
        change = update(episode, episode.severity, figures, "detected", at_ms)
    return change


def _steps(kind: Kind, observed: float) -> int:
    """How many of the steps have been reached, of days that count up or down."""
    if kind.unit not in _IN_A_DAY:
        return 0
    days = observed / _IN_A_DAY[kind.unit]
    if kind.direction == "down":
        return sum(days <= step for step in STEPS)
    return sum(days >= step for step in STEPS) + max(0, int(days // STEPS[-1]) - 1)


def _leave(book: Book, episode: Episode, change: Change) -> Change | None:
    book.episodes.remove(episode)
    episode.revision += 1
    return None if episode.muted else change
