"""When to checkpoint: often enough for freshness, never so often that it eats the throughput."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from agents.process import memory
from agents.settings.worker import WorkerConfig
from agents.worker.ingest import Ingest

_SHARE = 19
"""A checkpoint is followed by at least so many times the work that it took."""
_IDLE_S = 0.02
_LEDGER_LOOK_S = 1.0
_QUIET_S = 0.25
_RELEASE_S = 10.0
_LARGE_S = 0.5
"""A checkpoint that took so long has passed through much memory, which is given back at once."""


class Checkpointer:
    """Runs the checkpoints of a worker until it is stopped."""

    def __init__(self, config: WorkerConfig, ingest: Ingest, idle: Callable[[], bool]) -> None:
        """`idle` tells whether no delivered run is waiting to be applied."""
        self._config = config
        self._ingest = ingest
        self._idle = idle
        self._last_s = 0.0
        self._stopping = False

    def stop(self) -> None:
        """Make `run` return after the checkpoint that it is at; cancelling it would tear that one."""
        self._stopping = True
        self._ingest.wake.set()

    async def run(self) -> None:
        """Checkpoint until stopped. Raises what a checkpoint raises."""
        ledger_at = released_at = monotonic()
        while not self._stopping:
            await self._ingest.wake.wait()
            self._ingest.wake.clear()
            await self._until_due()
            self._last_s = await self._ingest.checkpoint()
            if monotonic() - ledger_at >= _LEDGER_LOOK_S:
                ledger_at = monotonic()
                await self._ingest.publish_ledgers()
            if monotonic() - released_at >= _RELEASE_S or self._last_s >= _LARGE_S:
                released_at = monotonic()
                await asyncio.to_thread(memory.release)

    async def _until_due(self) -> None:
        while not self._stopping and not self._is_due(monotonic()):
            await asyncio.sleep(_IDLE_S)

    def _is_due(self, now: float) -> bool:
        """Outputs need not wait for the interval, and a worker that has nothing else to do not for its share."""
        config, since = self._config, self._ingest.checkpointed_at
        soonest = since + min(_SHARE * self._last_s, config.checkpoint_max_interval_s)
        waited = now >= since + config.checkpoint_interval_s
        if now >= soonest and waited:
            return True
        if not self._idle():
            return False
        quiet = now - self._ingest.accepted_at >= _QUIET_S
        return (waited and quiet) or (self._ingest.outputs_pending and now >= soonest)
