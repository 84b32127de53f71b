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
class _Tally:
    position: int
    last: int = -2
    consecutive: int = 0
    records: int = 0
    rejected: int = 0


class DeadLetterGuard:
    """Counts dead letters by topic-partition."""

    def __init__(self, limits: DeadLetterLimits) -> None:
        self._limits = limits
        self._tallies: dict[tuple[str, int], _Tally] = {}

    def reached(self, partition: int, positions: Mapping[str, int]) -> None:
        """Records were applied up to these positions; starts a new window where the last one is full.

        Records held at a barrier count when they are applied, together with the dead letters among them.
        """
        for topic, position in positions.items():
            tally = self._tallies.setdefault((topic, partition), _Tally(position))
            if tally.records >= self._limits.window_records:
                tally.records = tally.rejected = 0
            tally.records += max(0, position - tally.position)
            tally.position = position

    def check(self, letters: Sequence[DeadLetter]) -> None:
        """Count dead letters, in offset order within a topic. Raises DeadLetterLimitError."""
        for letter in letters:
            if letter.reason in _EXPECTED_REASONS:
                continue
            tally = self._tallies.setdefault((letter.topic, letter.partition), _Tally(letter.offset))
            tally.consecutive = tally.consecutive + 1 if letter.offset == tally.last + 1 else 1
            tally.last = letter.offset
            tally.rejected += 1
            self._judge(letter, tally)

    def _judge(self, letter: DeadLetter, tally: _Tally) -> None:
        limits = self._limits
        place = f"{letter.topic}[{letter.partition}] up to offset {letter.offset}"
        if tally.consecutive >= limits.consecutive:
            message = (
                f"{tally.consecutive} dead letters in a row in {place}, last reason {letter.reason}: "
                "fix the producer or raise the limit, then start again"
            )
            raise DeadLetterLimitError(message)
        if tally.records >= limits.window_records and tally.rejected > limits.ratio * tally.records:
            message = (
                f"{tally.rejected} of {tally.records} records dead-lettered in {place}, "
                f"last reason {letter.reason}: fix the producer or raise the limit, then start again"
            )
            raise DeadLetterLimitError(message)
