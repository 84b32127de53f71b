"""The parts of one worker that its services share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agents.settings.worker import WorkerConfig
from agents.worker.ingest import Ingest
from agents.worker.lease import Lease
from agents.worker.publisher import Publisher
from agents.worker.serde import Serde
from sinks.metrics import Metrics

State = Literal["starting", "recovering", "rebalancing", "running", "stopping"]


@dataclass(slots=True)
class Runtime:
    """Everything between Kafka and the core, wired together."""

    config: WorkerConfig
    topics: Sequence[str]
    """Input topics."""
    partitions: int
    """Of each of them and of the changelog, for as long as the worker runs."""
    serde: Serde
    metrics: Metrics
    publisher: Publisher
    lease: Lease
    ingest: Ingest
    state: State = "starting"
    silence: str | None = None
    """What is wrong with the brokers, as of the last time that they were asked."""
    waiting: Callable[[], int] = lambda: 0
    """Number of delivered runs that wait to be applied."""

    @classmethod
    def build(
        cls, config: WorkerConfig, topics: Sequence[str], partitions: int, serde: Serde, metrics: Metrics
    ) -> Runtime:
        """Wire the parts; connects the publisher."""
        publisher = Publisher(config)
        lease = Lease(config.session_timeout_ms)
        ingest = Ingest(config, topics, serde, publisher, metrics, lease)
        return cls(config, topics, partitions, serde, metrics, publisher, lease, ingest)

    @property
    def problem(self) -> str | None:
        """Why input is not being applied now."""
        return self.silence if self.state == "running" else f"the worker is {self.state}"

    def snapshot(self) -> dict[str, Any]:
        """What readiness and operators want to know."""
        return {
            "state": self.state,
            "problem": self.problem,
            "ready": self.problem is None,
            "partitions": sorted(self.ingest.partitions),
            "positions": {
                str(partition.number): dict(partition.durable) for partition in self.ingest.partitions.values()
            },
        }
