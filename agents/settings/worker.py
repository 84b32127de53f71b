"""What a worker needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.config import EngineConfig


@dataclass(frozen=True, slots=True)
class TickSettings:
    """When an idle topic is moved on by tick records."""

    idle_timeout_s: float = 30.0
    interval_s: float = 10.0
    clock: Literal["wall", "events"] = "wall"
    """`events`: never tick beyond the event time seen in other topics (replays, backfills)."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Configuration of one worker process."""

    bootstrap: str
    """Comma-separated `host:port` of the brokers."""
    group: str = "foreshock"
    """Consumer group, Faust application id and prefix of the changelog topic."""
    engine: EngineConfig = field(default_factory=EngineConfig)
    """What the core computes with."""
    session_timeout_ms: int = 30_000
    checkpoint_interval_s: float = 1.0
    checkpoint_max_interval_s: float = 30.0
    max_batch_records: int = 5_000
    max_batch_bytes: int = 4 * 1024 * 1024
    fetch_max_bytes: int = 4 * 1024 * 1024
    """Upper bound of one fetch from one partition."""
    max_held_records: int = 200_000
    """Records of one topic-partition held behind a day barrier before fetching it stops."""
    ticks: TickSettings = field(default_factory=TickSettings)
    dead_letter_limit: int = 1_000
    """Dead letters of a topic after which a release stops that has read none of its records, as the one before did."""
    ledger_interval_s: float = 60.0
    recovery_timeout_s: float = 120.0
    """Longest time without progress while the changelog is read."""
    stuck_timeout_s: float = 300.0
    """Longest time without progress while input is waiting."""
    shutdown_timeout_s: float = 25.0
    delivery_timeout_ms: int = 120_000
    embedded: bool = False
    """The broker is the embedded one: topics exist on first use and have no configuration."""
    accept_epoch: bool = False
    """Start although positions do not fit the topics any more."""
    security: Mapping[str, str] = field(default_factory=dict)
    """librdkafka settings for TLS and SASL (`security.protocol`, `sasl.mechanism`, `ssl.ca.location`, …)."""

    @property
    def rebalance_timeout_s(self) -> float:
        """How long the group waits for its members to give up their partitions."""
        return max(self.session_timeout_ms / 1000, 60.0)

    @property
    def changelog_topic(self) -> str:
        """Topic that holds state and positions of every partition."""
        return f"{self.group}-state-changelog"
