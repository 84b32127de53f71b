"""What has to be done at its time: digests, the removal of old rows, and the figures of what waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pipeline.notify.routing import Routing
from sinks.clock import wall_clock_ms
from sinks.database.outbox import Outbox
from sinks.errors import SinkUnavailableError
from sinks.metrics import Metrics

logger = logging.getLogger(__name__)

_EVERY_S = 10.0
_PRUNE_MS = 3_600_000


class Keeper:
    """Looks after the outbox until stopped; `run` belongs to one thread.

    Args:
        routing: whose digests, and when.
        outbox: where messages are.
        metrics: told how much waits.
        retention_ms: how long settled messages are kept.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        routing: Routing,
        outbox: Outbox,
        metrics: Metrics,
        *,
        retention_ms: int,
        clock: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._routing = routing
        self._outbox = outbox
        self._metrics = metrics
        self._retention_ms = retention_ms
        self._clock = clock
        self._stop = threading.Event()
        self._pruned_ms = 0
        self._problem: str | None = None

    def stop(self) -> None:
        """Ask `run` to return."""
        self._stop.set()

    def ready(self) -> str | None:
        """Say why the outbox cannot be looked after now."""
        return self._problem

    def run(self) -> None:
        """Look until stopped; while the database is away, digests are late."""
        while True:
            try:
                self.look()
                self._problem = None
            except SinkUnavailableError as error:
                self._problem = str(error)
                logger.warning("digests have to wait: %s", error)
            if self._stop.wait(_EVERY_S):
                return

    def look(self) -> None:
        """Do what is due. Raises SinkUnavailableError."""
        now_ms = self._clock()
        self._outbox.make_digests(self._routing, now_ms)
        if now_ms - self._pruned_ms >= _PRUNE_MS:
            self._outbox.prune(now_ms - self._retention_ms)
            self._pruned_ms = now_ms
        for receiver, backlog in self._outbox.backlog(self._routing.channels, now_ms).items():
            self._metrics.notify_backlog(receiver, backlog.waiting, (now_ms - backlog.oldest_due_ms) / 1000)
