"""From delivered runs to durable state: decode, apply, publish, checkpoint, acknowledge."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from time import monotonic

from faust.types import TP

from agents.process.exits import ExitCode, leave
from agents.process.failpoints import hit
from agents.settings.worker import WorkerConfig
from agents.transport.runs import Run
from agents.worker.lease import Lease
from agents.worker.limits import DeadLetterGuard
from agents.worker.partition import Acknowledged, Partition
from agents.worker.publisher import Publisher
from agents.worker.reporting import Part, Reporter
from agents.worker.rerouting import sent_on, strays
from agents.worker.serde import Serde
from pipeline.changelog.write import checkpoint
from pipeline.terms.fleet_day import FleetDay
from pipeline.terms.records import Batch, Outcome
from schemas.errors import RegistryUnavailableError
from sinks.metrics import Metrics

logger = logging.getLogger(__name__)

_ASK_AGAIN_S = 1.0
"""Pause after a schema registry has not answered."""


class Ingest:
    """All partitions of this worker, and the order in which their outputs, state and input become final."""

    def __init__(
        self,
        config: WorkerConfig,
        topics: Collection[str],
        serde: Serde,
        publisher: Publisher,
        metrics: Metrics,
        lease: Lease,
    ) -> None:
        self.config = config
        self.partitions: dict[int, Partition] = {}
        self.checkpointed_at = monotonic()
        self.accepted_at = monotonic()
        self.outputs_pending = False
        self.released: dict[int, Partition] = {}
        """Partitions released last whose Feeds hold exactly what is durable."""
        self.wake = asyncio.Event()
        """Set when there is something to checkpoint."""
        self.lock = asyncio.Lock()
        """Held from a batch's change of state until its outputs are produced: nothing may part them."""
        self.epoch = 0
        """Epoch of the runs to accept; others were fetched before the last seek."""
        self._topics = frozenset(topics)
        self._serde = serde
        self._publisher = publisher
        self._metrics = metrics
        self._reporter = Reporter(metrics)
        self._count = 0
        """Partitions of each input topic."""
        self._lease = lease
        self._guard = DeadLetterGuard(config.dead_letter_limit)
        self._blocked: frozenset[TP] = frozenset()
        self._loaded = False
        self._following = True
        """Whether the partitions were given the log of fleet updates from its beginning on."""
        self._undecoded = asyncio.Event()
        """Set when a schema is missing."""
        self._checkpointing = asyncio.Lock()
        self._ledger_at: dict[int, float] = {}

    # What the transport asks.

    def source_topics(self) -> Collection[str]:
        """Topics delivered as runs."""
        return self._topics

    def blocked(self) -> Collection[TP]:
        """Partitions with too many records behind a day barrier, or waiting for a schema."""
        return self._blocked

    async def start_positions(self, tps: Collection[TP]) -> Mapping[TP, int] | None:
        """Where each partition must be read from; None while the state is not loaded."""
        if not self._loaded or any(tp.partition not in self.partitions for tp in tps):
            return None
        return {tp: self.partitions[tp.partition].expected[tp.topic] for tp in tps}

    async def release(self, *, lost: bool) -> None:
        """Last checkpoint of all partitions, unless another member may own them already; then forget them."""
        self._metrics.rebalance()
        try:
            async with asyncio.timeout(self.config.rebalance_timeout_s / 2):
                kept, self._loaded = self._loaded and not lost, False
                if kept:
                    await self.checkpoint()
                async with self.lock:
                    self.released = self.partitions if kept else {}
                    self.drop()
        except TimeoutError:
            logger.critical("the last checkpoint before a rebalance did not finish in time")
            leave(ExitCode.BROKEN)

    async def finish(self) -> None:
        """Last checkpoint; what is delivered from now on is not applied, so that all that is applied is committed."""
        async with self.lock:
            self._loaded = False
        await self.checkpoint()

    # What the worker does.

    def install(self, partitions: Iterable[Partition], count: int) -> None:
        """Take over partitions, of so many in all, whose state was recovered."""
        self._count = count
        self.partitions = {partition.number: partition for partition in partitions}
        for partition in self.partitions.values():
            partition.forget_events()
            self._guard.recall(partition.feed.topics.values())
        self._blocked = frozenset()
        self._loaded = True
        self._following = False
        self.accepted_at = monotonic()
        self._reporter.owned(self.partitions.values())

    def drop(self) -> None:
        """Forget all partitions; nothing of them is written any more."""
        self.partitions = {}
        self._blocked = frozenset()
        self._loaded = False

    async def accept(self, run: Run, event: Acknowledged) -> None:
        """Apply a run and publish what came out of it.

        Raises:
            InvariantError: there is a delivery gap.
            DeadLetterLimitError: this release cannot read a topic as the one before.
            PublishError: an output could not be produced.
        """
        async with self.lock:
            partition = self.partitions.get(run.partition)
            if not self._loaded or partition is None or run.epoch != self.epoch:
                return
            hit("after_fetch")
            new = partition.admit(run, event)
            if new is not None:
                partition.parked[new.topic].append(new)
                await self._apply_parked(partition, new.topic)

    async def fetch_schemas(self) -> None:
        """Fetch the schemas that runs wait for, and apply those runs, for ever. Raises as `accept`.

        The registry is asked in a thread and without the lock: nothing else waits for its answer.
        """
        while True:
            await self._undecoded.wait()
            self._undecoded.clear()
            try:
                await asyncio.to_thread(self._serde.fetch_schemas)
            except RegistryUnavailableError as error:
                logger.warning("records wait for a schema: %s", error)
                await asyncio.sleep(_ASK_AGAIN_S)
            await self._retry()

    async def _retry(self) -> None:
        async with self.lock:
            for partition in list(self.partitions.values()):
                for topic, parked in partition.parked.items():
                    if parked:
                        await self._apply_parked(partition, topic)

    async def _apply_parked(self, partition: Partition, topic: str) -> None:
        parked = partition.parked[topic]
        while parked:
            run = parked[0]
            try:
                batch = self._serde.decode(run)
            except RegistryUnavailableError:
                self._undecoded.set()
                break
            hit("after_decode")
            parked.popleft()
            await self._send_on(run, batch)
            read_at = monotonic()
            outcome = partition.feed.push(batch)
            partition.moved = True
            hit("after_step")
            partition.saw(batch)
            await self._publish(partition, outcome, read_at, min(run.timestamps_ms, default=0))
            self._guard.check(partition.number, partition.feed.topics[topic], batch)
            self._reporter.applied(partition, len(run))
            run.drop_records()
            self.accepted_at = monotonic()
            self.wake.set()
        self._hold_back(partition)

    async def _send_on(self, run: Run, batch: Batch) -> None:
        """Send what belongs to other partitions there; the next checkpoint waits until it is acknowledged."""
        places = strays(run, batch, self._count)
        if len(places):
            batch.reroute(places)
            await self._publisher.publish(sent_on(run, places))
            self.outputs_pending = True

    async def take_fleet_updates(self, updates: Sequence[FleetDay], first: bool) -> bool:
        """Give all partitions the next fleet updates, which close days that waited for them.

        Args:
            updates: in the order of their log; what a partition knows already it ignores.
            first: the log begins with these.

        Returns:
            Whether partitions have come since that must be given the log from its beginning.

        Raises:
            PublishError: an output could not be produced.
        """
        self._following |= first
        for number in list(self.partitions) if updates else []:
            async with self.lock:
                partition = self.partitions.get(number)
                if not self._loaded or not self._following or partition is None:
                    continue
                hit("after_fleet_read")
                outcome = partition.feed.learn(updates)
                if not outcome.days_closed and not outcome.speaks:
                    continue
                partition.moved = True
                await self._publish(partition, outcome, monotonic(), time.time_ns() // 1_000_000)
                self._reporter.moved(partition)
                self._hold_back(partition)
                self.accepted_at = monotonic()
                self.wake.set()
        return not self._following

    async def _publish(self, partition: Partition, outcome: Outcome, read_at: float, arrived_ms: int) -> None:
        if outcome.fleet_days:
            hit("before_fleet_send")
            await self._publisher.publish(map(self._serde.fleet_day, outcome.fleet_days))
            hit("after_fleet_send_unacked")
            self.outputs_pending = True
        self._reporter.suppressed(outcome)
        if outcome.speaks:
            hit("before_alert_send")
            await self._publisher.publish(self._serde.outcome(outcome))
            await self._publisher.publish(map(self._serde.dead_letter, outcome.dead_letters))
            hit("after_alert_send_unacked")
            self.outputs_pending = True
            self._reporter.announced(read_at, arrived_ms, outcome)

    def _hold_back(self, partition: Partition) -> None:
        """Stop fetching what only piles up in memory."""
        limit = self.config.max_held_records
        mine = {
            TP(topic, partition.number)
            for topic in self._topics
            if partition.parked[topic] or partition.feed.queued(topic) > limit
        }
        if mine or self._blocked:
            self._blocked = frozenset({tp for tp in self._blocked if tp.partition != partition.number} | mine)

    async def checkpoint(self) -> float:
        """Outputs acknowledged, then state acknowledged, then input acknowledged to Faust.

        Returns:
            Seconds that it kept other work from being done; waiting for the broker does not.

        Raises:
            PublishError: something was not acknowledged; nothing may be acknowledged after that.
        """
        async with self._checkpointing:
            # One partition after the other: while one is written, records of all are applied.
            return sum(
                [await self._checkpoint(partition) for partition in list(self.partitions.values()) if partition.moved]
            )

    async def _checkpoint(self, partition: Partition) -> float:
        async with self.lock:
            started_at = monotonic()
            outputs, announced = self._publisher.take(), self._reporter.take()
            self.outputs_pending = False
            partition.moved = False
            part = (partition, checkpoint(partition.feed, partition.epoch), dict(partition.feed.positions))
            busy_s = monotonic() - started_at
        await outputs.wait()
        hit("after_alert_ack")
        self._reporter.acknowledged(announced)
        if not self._still_ours(partition):
            return busy_s
        busy_s += await self._write(part)
        partition.acknowledge(part[2])
        self.checkpointed_at = monotonic()
        self._reporter.checkpointed(self.checkpointed_at - started_at, [part])
        return busy_s

    def _still_ours(self, partition: Partition) -> bool:
        self._lease.check()
        return self.partitions.get(partition.number) is partition

    async def _write(self, part: Part) -> float:
        partition, entries, _ = part
        in_flight = await self._publisher.publish_entries(self.config.changelog_topic, partition.number, entries)
        hit("after_state_send_unacked")
        await in_flight.wait()
        hit("after_state_ack")
        return in_flight.busy_s

    async def publish_ledgers(self) -> None:
        """Publish the ledger of every partition whose last one is old enough."""
        now = monotonic()
        due = [
            partition
            for partition in self.partitions.values()
            if now - self._ledger_at.get(partition.number, 0.0) >= self.config.ledger_interval_s
        ]
        for partition in due:
            self._ledger_at[partition.number] = now
        await self._publisher.publish([self._serde.ledger(partition.feed.ledger_entry()) for partition in due])
