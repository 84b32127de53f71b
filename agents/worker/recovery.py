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

from agents.process.exits import InvariantError, RefusedError, abandon
from agents.transport.transport import RunConsumer
from agents.worker import changelog
from agents.worker.partition import Partition
from agents.worker.preflight import require_unchanged
from agents.worker.runtime import Runtime
from pipeline.changelog.read import Loader
from pipeline.changelog.records import CLAIM_KEY, Entry, SnapshotError
from pipeline.intake.feed import Feed

logger = logging.getLogger(__name__)

_ANEW = "start once with --accept-epoch to begin anew from what the topics hold"
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


def start_of(tp: TP, position: int | None, log: range, committed: int | None) -> int:
    """Offset at which a topic-partition must go on.

    Args:
        tp: which.
        position: the state's, None or 0 if it never read the topic.
        log: offsets that the broker still has.
        committed: the group's offset, a sign that there was state once.

    Raises:
        RefusedError: going on would lose records or drop them as already applied.
    """
    if position:
        if position in range(log.start, log.stop + 1):
            return position
        reason = (
            f"retention has removed records that the state has not seen (it goes on at {position})"
            if position < log.start
            else f"the topic was recreated: the state goes on at {position}"
        )
    elif committed and log.start > 0:
        reason = (
            "the group has committed offsets, but there is no state, and retention has removed the beginning "
            "of the topic: restore the changelog"
        )
    else:
        return log.start
    message = f"{tp.topic}[{tp.partition}] holds offsets {log.start} to {log.stop}: {reason}"
    raise RefusedError(f"{message}, or {_ANEW}")


def finished(topic: str, number: int, loader: Loader) -> Feed:
    """The Feed of a changelog partition.

    Raises:
        RefusedError: a newer release wrote it, it is damaged, or it is of topics with another number of partitions.
    """
    try:
        feed = loader.finish()
    except SnapshotError as error:
        message = f"{topic}[{number}] cannot be read: {error}: go back to the release that wrote it, or {_ANEW}"
        raise RefusedError(message) from error
    if loader.partitions_then not in {0, loader.partitions}:
        message = (
            f"{topic}[{number}] is the state of topics with {loader.partitions_then} partitions, "
            f"now they have {loader.partitions}: keys belong to others now; {_ANEW}"
        )
        raise RefusedError(message)
    return feed


class BulkRecovery(Service):
    """Loads the Feeds of the assigned partitions and then lets the streams go on."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self.app = app
        self.completed = asyncio.Event()
        """Faust waits for it before it calls the worker started."""
        self._runtime: Runtime = app.runtime
        self._wanted = asyncio.Event()
        self._generation = _NONE
        self._left = _NONE
        """Generation whose partitions were released last."""
        self._assigned: set[TP] = set()
        super().__init__(**kwargs)

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Make a recovery under way stop; there is nothing to flush."""
        if self._generation != _NONE:
            self._left, self._generation = self._generation, _NONE
        self._runtime.state = "rebalancing"

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
        return bool(self.should_stop or generation != self._generation or generation != self.app.consumer_generation_id)

    async def _recover(self, generation: int, assigned: set[TP]) -> None:
        runtime, started_at = self._runtime, monotonic()
        config = runtime.config
        runtime.state = "recovering"
        require_unchanged(self.app.consumer.partitions(), runtime.partitions)
        numbers = owned_partitions(assigned, runtime.topics, config.changelog_topic)
        kept = self._kept(generation, numbers)
        epochs = await self._claim(numbers - kept.keys())
        loaders = {number: Loader(config.engine, number, runtime.partitions) for number in epochs}
        records = await asyncio.to_thread(changelog.read, config, loaders, lambda: self._outdated(generation))
        recovered = await self._recovered(loaders, epochs)
        stale = sum(loader.stale for loader in loaders.values())
        if self._outdated(generation):
            raise changelog.Interrupted
        runtime.ingest.install([*kept.values(), *recovered], runtime.partitions)
        seconds = monotonic() - started_at
        runtime.metrics.recovery(seconds, stale)
        logger.info(
            "generation %d: recovered %s from %d records in %.2f s, %d stale; kept %s",
            generation,
            sorted(epochs),
            records,
            seconds,
            stale,
            sorted(kept),
        )
        await self._resume(generation)

    def _kept(self, generation: int, numbers: Collection[int]) -> dict[int, Partition]:
        """Partitions still ours from the generation right before: nobody else can have owned them."""
        released, self._runtime.ingest.released = self._runtime.ingest.released, {}
        if generation != self._left + 1:
            return {}
        return {number: partition for number, partition in released.items() if number in numbers}

    async def _claim(self, numbers: Collection[int]) -> dict[int, int]:
        """Append a claim to every partition's changelog; after it, former owners' writes are void."""
        self._runtime.lease.check()
        return await self._runtime.publisher.claim(self._runtime.config.changelog_topic, numbers, CLAIM_KEY)

    async def _recovered(self, loaders: Mapping[int, Loader], epochs: Mapping[int, int]) -> list[Partition]:
        """Feeds and start offsets of the partitions read. Raises RefusedError."""
        consumer: RunConsumer = self.app.consumer
        topics = self._runtime.topics
        tps = [TP(topic, number) for number in loaders for topic in topics]
        first = await consumer.earliest_offsets(*tps) if tps else {}
        last = await consumer.highwaters(*tps) if tps else {}
        partitions = []
        for number, loader in loaders.items():
            logs = {topic: range(first[TP(topic, number)], last[TP(topic, number)]) for topic in topics}
            keys = loader.keys if self._runtime.config.accept_epoch else set()
            try:
                feed = finished(self._runtime.config.changelog_topic, number, loader)
                starts = await self._starts(feed, logs)
            except RefusedError as error:
                if not self._runtime.config.accept_epoch:
                    raise
                logger.warning("partition %d begins anew: %s", number, error)
                feed = await self._anew(number, keys)
                starts = {topic: log.start for topic, log in logs.items()}
            feed.start_at(starts)
            partitions.append(Partition(feed, epochs[number], starts))
        return partitions

    async def _starts(self, feed: Feed, logs: Mapping[str, range]) -> dict[str, int]:
        """Offset at which each topic of a partition goes on. Raises RefusedError."""
        starts = {}
        for topic, log in logs.items():
            tp = TP(topic, feed.number)
            position = feed.positions.get(topic)
            committed = None
            if not position and log.start > 0:
                committed = await self.app.consumer.thread.committed(tp)
            starts[topic] = start_of(tp, position, log, committed)
        return starts

    async def _anew(self, number: int, keys: Collection[bytes]) -> Feed:
        """An empty Feed; what the changelog holds of the old one, under these keys, is deleted."""
        runtime = self._runtime
        tombstones: list[Entry] = [(key, None) for key in sorted(keys)]
        topic = runtime.config.changelog_topic
        in_flight = await runtime.publisher.publish_entries(topic, number, tombstones)
        await in_flight.wait()
        return Loader(runtime.config.engine, number, runtime.partitions).finish()

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
        await app._fetcher.maybe_start()  # noqa: SLF001 - as Faust's own recovery does
        app.tables.on_actives_ready()
        app.tables.on_standbys_ready()
        app.on_rebalance_end()
        self._runtime.state = "running"


class BulkTableManager(TableManager):
    """Faust's table manager with our recovery."""

    async def on_start(self) -> None:
        """Start at once: all tables are known, so Faust's second of waiting for more of them would only delay."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()

    @property
    def recovery(self) -> Any:
        """The recovery service, made on first use."""
        if self._recovery is None:
            self._recovery = BulkRecovery(self.app, beacon=self.beacon, loop=self.loop)  # type: ignore[assignment]
        return self._recovery
