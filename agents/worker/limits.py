"""When dead letters stop a worker: not when a producer is wrong, only when this release reads less than one before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version

from agents.process.exits import DeadLetterLimitError
from pipeline.intake.topic import Topic
from pipeline.terms.records import Batch, RecordKind

RELEASE = version("foreshock")
_READ = (RecordKind.EVENT, RecordKind.REROUTED)
"""What shows that a release can read a topic; ticks are our own, and tombstones have no value."""


class DeadLetterGuard:
    """Knows of each topic which release has read a record of it, and what this one rejected before it did."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._read_by: dict[str, str] = {}
        self._rejected: Counter[str] = Counter()

    def recall(self, topics: Iterable[Topic]) -> None:
        """Take note of what a partition's state says of its topics."""
        for topic in topics:
            if topic.read_by and self._read_by.get(topic.name) != RELEASE:
                self._read_by[topic.name] = topic.read_by

    def check(self, partition: int, topic: Topic, batch: Batch) -> None:
        """Count a batch of a partition's topic, and note in its state that it can be read.

        Raises:
            DeadLetterLimitError: so many records of the topic, in all partitions, were rejected and none was read,
                though an earlier release did read some.
        """
        if bool((batch.kind[:, None] == _READ).any()):
            self._read_by[topic.name] = topic.read_by = RELEASE
        before = self._read_by.get(topic.name, RELEASE)
        if before == RELEASE or not batch.bad:
            return
        self._rejected[topic.name] += len(batch.bad)
        if self._rejected[topic.name] >= self._limit:
            last = batch.bad[-1]
            message = (
                f"release {RELEASE} has not read one record of {topic.name}, as {before} did: "
                f"{self._rejected[topic.name]} became dead letters, the last at partition {partition}, offset "
                f"{batch.offsets[last.index]} ({last.reason}: {last.detail}); go back to {before}, or mend the "
                "producers if they have changed and start with a greater dead_letters.limit"
            )
            raise DeadLetterLimitError(message)
