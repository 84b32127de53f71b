"""The product itself: one worker with everything on, stopped when the backlog is durable."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Any

from agents.kafka.registry import open_registry
from agents.launch import source
from agents.process.exits import ExitCode
from agents.worker.process import Worker
from agents.worker.serde import Serde
from schemas.topics import INPUT_TOPICS
from sinks.metrics import Metrics
from tests.benchmarks import broker
from tests.benchmarks.core import trim
from tests.benchmarks.process import resident_mib
from tests.benchmarks.progress import Progress
from tests.benchmarks.workload import FIRST_DAY_MS


class Watching(Metrics):
    """The worker's metrics, which also tell when it is through."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(version=version("foreshock"))
        self.progress = progress
        self.worker: Worker | None = None
        self.recovered_s = 0.0
        self.durable_s = 0.0
        self.checkpoints: list[tuple[float, int, int]] = []
        self.alerts = 0
        self._closed: set[int] = set()

    def records(self, topic: str, fate: str, count: int) -> None:
        """Count what was applied."""
        super().records(topic, fate, count)
        self.progress.saw(count)

    def alert(self, record: Any) -> None:
        """Count alerts."""
        super().alert(record)
        self.alerts += 1

    def day_closed(self, partition: int, end_ms: int) -> None:
        """The first close of a partition judges and publishes every account; the later ones only what has changed."""
        super().day_closed(partition, end_ms)
        if end_ms > FIRST_DAY_MS:
            self._closed.add(partition)
        if len(self._closed) == broker.PARTITIONS:
            self.progress.settled()

    def recovery(self, seconds: float, stale: int) -> None:
        """Keep how long it took."""
        super().recovery(seconds, stale)
        self.recovered_s = seconds

    def checkpoint(self, seconds: float, entries: int, size_bytes: int) -> None:
        """Stop the worker at the first checkpoint behind the last record."""
        super().checkpoint(seconds, entries, size_bytes)
        self.checkpoints.append((seconds, entries, size_bytes))
        if self.progress.finished and self.worker is not None and not self.durable_s:
            self.durable_s = self.progress.since_start_s()
            self.worker.stop()


def drain(bootstrap: str, group: str, records: int, skip: int = 0) -> dict[str, Any]:
    """Read the backlog; with `skip` the clock starts behind the warm-up and the first close of every partition."""
    logging.basicConfig(level=logging.INFO)
    settings = broker.settings(broker.environment(bootstrap, group))
    metrics = Watching(Progress(records, skip, waits=skip > 0))
    worker = Worker(
        settings.worker(),
        topics=INPUT_TOPICS,
        serde=Serde(open_registry(settings), source(settings)),
        metrics=metrics,
    )
    metrics.worker = worker
    code = worker.run()
    if code != ExitCode.OK:
        message = f"the worker ended with {code}"
        raise RuntimeError(message)
    result, resident = metrics.progress.report(), resident_mib()
    trim()
    return result | {
        "resident_mib": resident,
        "trimmed_mib": resident_mib(),
        "durable_per_s": result["records"] / metrics.durable_s,
        "alerts": metrics.alerts,
        "checkpoints": len(metrics.checkpoints),
        "checkpoint_s": sum(seconds for seconds, _, _ in metrics.checkpoints),
        "changelog_mib": sum(size for _, _, size in metrics.checkpoints) / 2**20,
    }
