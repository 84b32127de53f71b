"""What is remembered of an account's cases and of what people said of them. Append only, like the book."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pipeline.terms.records import Inhibitor


class Seen(msgspec.Struct, array_like=True, frozen=True):
    """An alert of a case as of the last close."""

    kind: str
    dimension: str
    starts_at_ms: int
    detected_at_ms: int
    severity: str
    score: float
    revision: int = 0
    summary: str = ""
    muted: bool = False


class Said(msgspec.Struct, array_like=True, frozen=True):
    """What a person did last."""

    command_id: str
    action: str
    author: str
    at_ms: int
    note: str | None = None


class Suppressed(msgspec.Struct, array_like=True, frozen=True):
    """A kind that is raised and does not open, as of the last close."""

    kind: str
    by: Inhibitor
    by_alert: str | None
    since_day: int


class Expected(msgspec.Struct, array_like=True, frozen=True):
    """Days that a person expected to be unlike others, and the kind that is quiet until they are over."""

    since_ms: int
    until_ms: int
    kind: str
    """Empty: none."""
    known_ms: int
    """What of the kind was open by then is known."""
    day: int
    """The day that was open when it was said; its close and later ones heed it."""


def is_quiet(expected: Sequence[Expected], kind: str, day: int, now_ms: int) -> bool:
    """Whether a person has said, on a day that is closed, that a kind is to be quiet for longer than until now."""
    return any(each.kind == kind and each.day <= day and each.until_ms > now_ms for each in expected)


class Case(msgspec.Struct, array_like=True):
    """One case; its status follows from what is set."""

    opened_day: int
    opened_ms: int
    records: int = 0
    """How many it has had; the revision of the last."""
    updated_ms: int = 0
    alerts: list[Seen] = []
    """As of the last close, the first stands for the case."""
    lead: Seen | None = None
    """The last that stood for it."""
    closed_day: int = -1
    closed_ms: int | None = None
    closed_by: str | None = None
    outcome: str | None = None
    known_ms: int | None = None
    """Set from its closing by a person until the next close: what was open by then is to be muted."""
    waking: bool = False
    """Set from its reopening by a person until the next close: what is muted goes on."""
    acknowledged_by: str | None = None
    acknowledged_ms: int | None = None
    snoozed_until_ms: int | None = None
    snooze_reason: str | None = None
    assignee: str | None = None
    steps_done: list[str] = []
    said: Said | None = None
    priority: int = 0
    overdue: bool = False

    @property
    def status(self) -> str:
        """Closed, snoozed, acknowledged or open."""
        if self.closed_ms is not None:
            return "closed"
        if self.snoozed_until_ms is not None:
            return "snoozed"
        return "open" if self.acknowledged_by is None else "acknowledged"

    def reopen(self) -> None:
        """Go on, as nobody has seen it yet."""
        self.closed_day, self.closed_ms, self.closed_by, self.outcome = -1, None, None, None
        self.acknowledged_by = self.acknowledged_ms = self.snoozed_until_ms = self.snooze_reason = None
        self.known_ms = None

    def close(self, day: int, at_ms: int) -> None:
        """End."""
        self.closed_day, self.closed_ms = day, at_ms
        self.snoozed_until_ms = self.snooze_reason = None
