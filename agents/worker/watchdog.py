"""Watches progress from outside the record path: a worker that stands still ends and is started again."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import Any

from faust.types import TP

from agents.process.exits import InvariantError
from agents.worker.preflight import require_unchanged
from agents.worker.runtime import Runtime

logger = logging.getLogger(__name__)

_LOOK_S = 1.0
_LAG_S = 10.0


class Watchdog:
    """Raises when Faust has crashed, when partitions were added, or when input waits and nothing moves."""

    def __init__(self, runtime: Runtime, app: Any) -> None:
        self._runtime = runtime
        self._app = app
        self._moved_at = monotonic()
        self._last: dict[TP, int] = {}
        self._lagging = False

    async def run(self) -> None:
        """Watch for ever. Raises InvariantError, RefusedError."""
        asked_at = 0.0
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._app.crashed:
                message = f"Faust crashed: {self._app._crash_reason!r}"  # noqa: SLF001 - named nowhere else
                raise InvariantError(message)
            if self._runtime.state != "starting":
                require_unchanged(self._app.consumer.partitions(), self._runtime.partitions)
            if self._runtime.state == "running" and monotonic() - asked_at >= _LAG_S:
                asked_at = monotonic()
                await self._measure()
            self._judge()

    async def _measure(self) -> None:
        """Compare positions with the ends of the topics."""
        ingest = self._runtime.ingest
        tps = [TP(topic, number) for number in ingest.partitions for topic in self._runtime.topics]
        if not tps:
            self._runtime.silence = None
            self._moved_at, self._lagging = monotonic(), False
            return
        try:
            async with asyncio.timeout(_LAG_S):
                ends = await self._app.consumer.highwaters(*tps)
        except Exception as error:
            self._runtime.silence = f"no broker answers: {error!r}"
            logger.warning("cannot ask for the ends of the topics: %r", error)
            return
        self._runtime.silence = None
        delivered = {
            tp: ingest.partitions[tp.partition].expected[tp.topic] for tp in tps if tp.partition in ingest.partitions
        }
        for tp in delivered:
            applied = ingest.partitions[tp.partition].feed.positions.get(tp.topic, 0)
            self._runtime.metrics.lag(tp.topic, tp.partition, max(0, ends[tp] - applied))
        blocked = set(ingest.blocked())
        self._lagging = any(ends[tp] > at for tp, at in delivered.items() if tp not in blocked)
        if delivered != self._last or not self._lagging:
            self._moved_at = monotonic()
        self._last = delivered

    def _judge(self) -> None:
        limit = self._runtime.config.stuck_timeout_s
        if monotonic() - self._moved_at > limit and self._lagging:
            self._runtime.metrics.invariant("stuck")
            message = f"input is waiting and nothing was delivered for {limit:.0f} s"
            raise InvariantError(message)
