"""The functional core behind the worker's ports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from agents.worker.ports import Entry, Facts, Feed, Loader
from pipeline.changelog import read as recovery
from pipeline.changelog import write as snapshot
from pipeline.config import EngineConfig
from pipeline.intake import feed as engine
from pipeline.intake import ledger
from pipeline.scorecards.bands import NAMES


class EngineCore:
    """Feeds, checkpoints and ledgers of the real engine."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config

    def loader(self, number: int, partitions: int | None = None) -> Loader:
        """Rebuilds the Feed of a partition, one of so many; without their number, of one that is alone."""
        return cast("Loader", recovery.Loader(self._config, number, partitions))

    def checkpoint(self, feed: Feed, epoch: int) -> list[Entry]:
        """Changelog entries changed since the last checkpoint, the partition's record last."""
        return snapshot.checkpoint(cast("engine.Feed", feed), epoch)

    def ledger_entry(self, feed: Feed) -> Mapping[str, Any]:
        """What became of every offset of the partition so far."""
        real = cast("engine.Feed", feed)
        topics = {name: topic.ledger for name, topic in real.topics.items()}
        entry = ledger.ledger_entry(real.number, real.open_day, topics)
        watermark_ms = min(real.watermarks().values())
        return entry | {"at_ms": watermark_ms if watermark_ms > 0 else None}

    def facts(self, feed: Feed) -> Facts:
        """Size and progress of the Feed's state."""
        state = cast("engine.Feed", feed).state
        return Facts(
            accounts=len(state.accounts),
            size_bytes=state.nbytes,
            day_closed_ms=state.days.start_ms(state.open_day) if state.open_day > 0 else 0,
            evictions={
                "users": state.users.evicted,
                "features": state.features.evicted,
                "event_ids": sum(seen.evicted for seen in state.seen.values()),
            },
            fleet_alerts=state.fleet_alerts.open_by_kind(),
        )

    def bands(self, feed: Feed) -> Mapping[tuple[str, str | None], int]:
        """Number of accounts by band and segment, as of the last closed day."""
        accounts = cast("engine.Feed", feed).state.accounts
        names = (NAMES[band] for band in accounts.band[1 : accounts.size].tolist())
        segments = accounts.belonging.segments.names
        known = (segments[number] for number in accounts.belonging.segment[1 : accounts.size].tolist())
        return Counter(zip(names, known, strict=True))
