"""Recovery after a rebalance: the changelog of the assigned partitions is read in bulk into Feeds.

Faust's assignor decides who owns what; its own recovery, record by record and last record wins, is not used.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from time import monotonic
from typing import Any

from faust.tables.manager import TableManager
from faust.types import TP
from mode import Service

from agents import changelog
from agents.exits import InvariantError, RefusedError, abandon
from agents.ports import Feed
from agents.runtime import Runtime
from agents.shard import Shard
from agents.transport import RunConsumer

logger = logging.getLogger(__name__)

_NONE = -2
"""No generation of any group."""


def owned_partitions(assigned: Collection[TP], topics: Collection[str], changelog_topic: str) -> set[int]:
    """Partition numbers assigned; each must come with every input topic and the changelog.

    Raises:
        InvariantError: the topics' partitions are spread over several members.
    """
    wanted = {*topics, changelog_topic}
    by_topic = {topic: {tp.partition for tp in assigned if tp.topic == topic} for topic in wanted}
    numbers = set().union(*by_topic.values())
    torn = {topic: numbers - mine for topic, mine in by_topic.items() if mine != numbers}
    if torn:
        message = f"partitions of one number are not assigned together; missing here: {torn}"
        raise InvariantError(message)
    return numbers


def start_of(
    tp: TP, position: int | None, log: range, committed: int | None, *, accept_epoch: bool
) -> int:
    """Offset at which a topic-partition must go on.

    Args:
        tp: which.
        position: the state's, None or 0 if it never read the topic.
        log: offsets that the broker still has.
        committed: the group's offset, a sign that there was state once.
        accept_epoch: start although the state does not fit the topic.

    Raises:
        RefusedError: going on would lose records or drop them as already applied.
    """
    if position and position in range(log.start, log.stop + 1):
        return position
    if accept_epoch or (not position and not (committed and log.start > 0)):
        return log.start
    if not position:
        reason = (
            "the group has committed offsets but there is no state, and retention has removed the beginning of "
            "the topic: restore the changelog"
        )
    elif position < log.start:
        reason = f"retention has removed records that the state has not seen (position {position})"
    else:
        reason = f"the topic was recreated: it ends before position {position}"
    message = f"{tp.topic}[{tp.partition}] holds offsets {log.start} to {log.stop}: {reason}"
    raise RefusedError(f"{message}, or start with --accept-epoch")


class BulkRecovery(Service):
    """Loads the Feeds of the assigned partitions and then lets the streams go on."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self.app = app
        self.completed = asyncio.Event()
        """Faust waits for it before it calls the worker started."""
        self._runtime: Runtime = app.runtime
        self._wanted = asyncio.Event()
        self._generation = _NONE
        self._assigned: set[TP] = set()
        super().__init__(**kwargs)

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Make a recovery under way stop; there is nothing to flush."""
        self._generation = _NONE

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Start to recover what is assigned now."""
        if generation_id == self.app.consumer_generation_id:
            self._generation, self._assigned = generation_id, set(assigned)
            self._wanted.set()

    @Service.task
    async def _recover_for_ever(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self._wanted):  # type: ignore[arg-type]  # mode names its own Event
                return
            self._wanted.clear()
            generation = self._generation
            try:
                await self._recover(generation, self._assigned)
            except changelog.Interrupted:
                logger.info("recovery of generation %d was made pointless by another rebalance", generation)
            except Exception as error:
                abandon(error)

    def _outdated(self, generation: int) -> bool:
        return bool(
            self.should_stop
            or generation != self._generation
            or generation != self.app.consumer_generation_id
        )

    async def _recover(self, generation: int, assigned: set[TP]) -> None:
        runtime, started_at = self._runtime, monotonic()
        config = runtime.config
        runtime.state = "recovering"
        numbers = owned_partitions(assigned, runtime.topics, config.changelog_topic)
        loaders = {number: runtime.new_loader(number) for number in numbers}
        count = await asyncio.to_thread(
            changelog.read, config, loaders, lambda: self._outdated(generation)
        )
        feeds = {number: loader.finish() for number, loader in loaders.items()}
        starts = await self._starts(feeds)
        if self._outdated(generation):
            raise changelog.Interrupted
        runtime.ingest.install(Shard(feed, starts[number]) for number, feed in feeds.items())
        stale = sum(loader.stale for loader in loaders.values())
        seconds = monotonic() - started_at
        runtime.observer.recovery(seconds, count, stale)
        logger.info(
            "generation %d: partitions %s recovered from %d changelog records in %.2f s, %d of them stale",
            generation, sorted(numbers), count, seconds, stale,
        )  # fmt: skip
        await self._resume(generation)

    async def _starts(self, feeds: Mapping[int, Feed]) -> dict[int, dict[str, int]]:
        """Offset at which each topic of each partition goes on. Raises RefusedError."""
        consumer: RunConsumer = self.app.consumer
        tps = [TP(topic, number) for number in feeds for topic in self._runtime.topics]
        if not tps:
            return {}
        first = await consumer.earliest_offsets(*tps)
        last = await consumer.highwaters(*tps)
        starts: dict[int, dict[str, int]] = {number: {} for number in feeds}
        for tp in tps:
            position = feeds[tp.partition].positions.get(tp.topic)
            committed = None if position else await consumer.thread.committed(tp)
            starts[tp.partition][tp.topic] = start_of(
                tp,
                position,
                range(first[tp], last[tp]),
                committed,
                accept_epoch=self._runtime.config.accept_epoch,
            )
        return starts

    async def _resume(self, generation: int) -> None:
        """Seek to the positions of the state and let records flow."""
        app, consumer = self.app, self.app.consumer
        await app.on_rebalance_complete.send()
        topics = self._runtime.topics
        consumer.resume_partitions({tp for tp in consumer.assignment() if tp.topic in topics})
        await consumer.perform_seek()
        if self._outdated(generation):
            raise changelog.Interrupted
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        app.tables.on_actives_ready()
        app.tables.on_standbys_ready()
        app.on_rebalance_end()
        self._runtime.state = "running"


class BulkTableManager(TableManager):
    """Faust's table manager with our recovery."""

    @property
    def recovery(self) -> Any:
        """The recovery service, made on first use."""
        if self._recovery is None:
            self._recovery = BulkRecovery(self.app, beacon=self.beacon, loop=self.loop)  # type: ignore[assignment]
        return self._recovery
