"""The ledger: what became of every record, per topic of one partition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.terms.records import Fate
from schemas.topics import INPUT_TOPICS


@dataclass(slots=True)
class TopicLedger:
    """Fates and position of one topic; `position` is the next offset to apply.

    The fates and the holes (offsets that Kafka left out) always add up to the distance from `start`.
    """

    position: int = 0
    start: int | None = None
    holes: int = 0
    fates: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))

    def balanced(self) -> bool:
        """Whether every offset has exactly one fate."""
        return sum(self.fates.values()) + self.holes == self.position - (self.start or 0)


def ledger_entry(partition: int, at_ms: int | None, open_day: int, topics: Mapping[str, TopicLedger]) -> dict[str, Any]:
    """The ledger's record, as in schemas/ledger_entry.avsc; `at_ms`: watermark, None before the first."""
    return {
        "partition": partition,
        "at_ms": at_ms,
        "open_day": open_day,
        "topics": [
            {"topic": name, "next_offset": topics[name].position, "holes": topics[name].holes, **topics[name].fates}
            for name in INPUT_TOPICS
        ],
    }
