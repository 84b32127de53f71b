"""Limits on dead letters: a worker that rejects nearly everything is wrong itself and must stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.process.exits import DeadLetterLimitError
from agents.settings.worker import DeadLetterLimits
from pipeline.terms.records import DeadLetter
from schemas.reasons import Reason

_EXPECTED_REASONS = frozenset({Reason.TOO_LATE})
"""Quarantined, but no sign of something broken."""


@dataclass(slots=True)
class _Window:
    position: int
    last: int = -2
    consecutive: int = 0
    records: int = 0
    rejected: int = 0


class DeadLetterGuard:
    """Counts dead letters by topic-partition."""

    def __init__(self, limits: DeadLetterLimits) -> None:
        self._limits = limits
        self._windows: dict[tuple[str, int], _Window] = {}

    def reached(self, partition: int, positions: Mapping[str, int]) -> None:
        """Records were applied up to these positions; starts a new window where the last one is full.

        Records held at a barrier count when they are applied, together with the dead letters among them.
        """
        for topic, position in positions.items():
            window = self._windows.setdefault((topic, partition), _Window(position))
            if window.records >= self._limits.window_records:
                window.records = window.rejected = 0
            window.records += max(0, position - window.position)
            window.position = position

    def check(self, letters: Sequence[DeadLetter]) -> None:
        """Count dead letters, in offset order within a topic. Raises DeadLetterLimitError."""
        for letter in letters:
            if letter.reason in _EXPECTED_REASONS:
                continue
            window = self._windows.setdefault((letter.topic, letter.partition), _Window(letter.offset))
            window.consecutive = window.consecutive + 1 if letter.offset == window.last + 1 else 1
            window.last = letter.offset
            window.rejected += 1
            self._judge(letter, window)

    def _judge(self, letter: DeadLetter, window: _Window) -> None:
        limits = self._limits
        place = f"{letter.topic}[{letter.partition}] up to offset {letter.offset}"
        if window.consecutive >= limits.consecutive:
            message = (
                f"{window.consecutive} dead letters in a row in {place}, last reason {letter.reason}: "
                "fix the producer or raise the limit, then start again"
            )
            raise DeadLetterLimitError(message)
        if window.records >= limits.window_records and window.rejected > limits.ratio * window.records:
            message = (
                f"{window.rejected} of {window.records} records dead-lettered in {place}, "
                f"last reason {letter.reason}: fix the producer or raise the limit, then start again"
            )
            raise DeadLetterLimitError(message)
