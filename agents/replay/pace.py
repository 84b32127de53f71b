"""Keep a producer near a consumer group: for brokers that hold little, such as the embedded one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import TopicPartition

from agents.kafka import clients
from schemas.errors import ForeshockError

_LOOK_S = 0.05
_ASK_S = 10.0


class StuckError(ForeshockError):
    """The consumer group does not move; the message says where."""


class Pace:
    """Knows what was sent to each partition, and waits while the group has not committed enough of it.

    Args:
        client: librdkafka settings of any client of these brokers.
        group: the consumer group to follow.
        max_records: of one partition, sent and not committed.
        max_bytes: the same in bytes of keys and values.
        stuck_s: longest wait without any progress.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        group: str,
        *,
        max_records: int = 20_000,
        max_bytes: int = 2 * 1024 * 1024,
        stuck_s: float = 60.0,
    ) -> None:
        self._consumer = clients.consumer(client, "positions", group)
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._stuck_s = stuck_s
        self._lanes: dict[tuple[str, int], _Lane] = {}

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def sending(self, topic: str, partition: int, size_bytes: int) -> None:
        """One more record is about to be produced."""
        self._lane(topic, partition).sending(size_bytes)

    def wait(self, topic: str, partition: int, while_waiting: Callable[[], None]) -> None:
        """Return when the group is near enough in this partition; `while_waiting` is called meanwhile.

        Raises:
            StuckError: the group has not moved for too long.
        """
        lane = self._lane(topic, partition)
        since, seen = time.monotonic(), -1
        while lane.records > self._max_records or lane.size_bytes > self._max_bytes:
            lane.committed(self._committed(topic, partition))
            if lane.next_offset != seen:
                since, seen = time.monotonic(), lane.next_offset
            elif time.monotonic() - since > self._stuck_s:
                message = (
                    f"the consumers have not moved in {topic}[{partition}] for {self._stuck_s:.0f} s with "
                    f"{lane.records} records waiting; is a worker running, and is it well?"
                )
                raise StuckError(message)
            while_waiting()
            time.sleep(_LOOK_S)

    def _lane(self, topic: str, partition: int) -> _Lane:
        place = topic, partition
        if place not in self._lanes:
            _low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_ASK_S)
            self._lanes[place] = _Lane(high)
        return self._lanes[place]

    def _committed(self, topic: str, partition: int) -> int:
        (answer,) = self._consumer.committed([TopicPartition(topic, partition)], timeout=_ASK_S)
        return answer.offset


class _Lane:
    """Sizes of the records of one partition that were sent and not committed."""

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        """First offset that is not committed."""
        self.size_bytes = 0
        self._sizes: deque[int] = deque()

    @property
    def records(self) -> int:
        return len(self._sizes)

    def sending(self, size_bytes: int) -> None:
        self._sizes.append(size_bytes)
        self.size_bytes += size_bytes

    def committed(self, offset: int) -> None:
        """The group will read this offset next; negative if it has committed nothing."""
        while self.next_offset < offset and self._sizes:
            self.size_bytes -= self._sizes.popleft()
            self.next_offset += 1
