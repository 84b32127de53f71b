"""Moves idle topics on: time becomes a record in the topic, so that a replay sees the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from faust.types import TP

from agents.worker.partition import Partition
from agents.worker.runtime import Runtime

_LOOK_S = 1.0
_LEAST_ADVANCE_MS = 1_000


class Ticker:
    """Sends a tick to every owned, caught-up and idle partition of an input topic."""

    def __init__(self, runtime: Runtime, app: Any) -> None:
        self._runtime = runtime
        self._app = app
        self._settings = runtime.config.ticks
        self._ticked_at: dict[TP, float] = {}

    async def run(self) -> None:
        """Look for idle topics for ever."""
        while True:
            await asyncio.sleep(min(_LOOK_S, self._settings.interval_s))
            if self._runtime.state != "running":
                continue
            ticks = [
                self._runtime.serde.tick(topic, partition.number, at_ms)
                for partition in list(self._runtime.ingest.partitions.values())
                for topic, at_ms in self._due(partition)
            ]
            await self._runtime.publisher.publish(ticks)

    def _due(self, partition: Partition) -> Iterator[tuple[str, int]]:
        """Topics of a partition to tick, and to which time."""
        now = time.monotonic()
        watermarks = partition.feed.watermarks()
        for topic, activity in partition.activity.items():
            tp = TP(topic, partition.number)
            if now - activity.event_at < self._settings.idle_timeout_s:
                continue
            if now - self._ticked_at.get(tp, 0.0) < self._settings.interval_s or not self._caught_up(partition, tp):
                continue
            at_ms = self._time_for(partition, topic, now)
            if at_ms >= max(activity.top_ms, watermarks.get(topic, 0)) + _LEAST_ADVANCE_MS:
                self._ticked_at[tp] = now
                yield topic, at_ms

    def _time_for(self, partition: Partition, topic: str, now: float) -> int:
        """Time up to which an idle topic may be said to be complete; 0 if nothing tells."""
        others = [activity for name, activity in partition.activity.items() if name != topic]
        active = [other for other in others if now - other.event_at < self._settings.idle_timeout_s]
        active_ms = max((other.event_ms for other in active), default=0)
        if active_ms:
            return active_ms
        if self._settings.clock == "wall":
            return int(time.time() * 1000)
        # A partition in which nothing happens any more must not keep the others from closing their days.
        return max(self._fleet_ms(partition), *(activity.event_ms for activity in partition.activity.values()))

    def _fleet_ms(self, partition: Partition) -> int:
        """Time that lets the partition come as far as those beside it, and as the fleet updates of others."""
        beside = (min(each.feed.watermarks().values()) for each in self._runtime.ingest.partitions.values())
        reached_ms = max(partition.feed.told_ms(), *beside)
        return reached_ms + self._runtime.config.engine.out_of_orderness_ms if reached_ms > 0 else 0

    def _caught_up(self, partition: Partition, tp: TP) -> bool:
        """Whether everything that the partition holds was applied."""
        end = self._app.consumer.highwater(tp)
        return end is not None and partition.feed.positions.get(tp.topic, 0) >= end
