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
from agents.worker.partition import Acknowledged, Shard
from agents.worker.ports import Core, Observer, Wire
from agents.worker.publisher import Publisher
from agents.worker.reporting import Part, Reporter
from pipeline.terms.fleet_day import FleetDay
from pipeline.terms.records import Outcome
from schemas.errors import RegistryUnavailableError

logger = logging.getLogger(__name__)


class Ingest:
    """All partitions of this worker, and the order in which their outputs, state and input become final."""

    def __init__(
        self,
        config: WorkerConfig,
        topics: Collection[str],
        core: Core,
        wire: Wire,
        publisher: Publisher,
        observer: Observer,
        lease: Lease,
    ) -> None:
        self.config = config
        self.shards: dict[int, Shard] = {}
        self.checkpointed_at = monotonic()
        self.accepted_at = monotonic()
        self.outputs_pending = False
        self.parting: dict[int, Shard] = {}
        """Partitions released last whose Feeds hold exactly what is durable."""
        self.wake = asyncio.Event()
        """Set when there is something to checkpoint."""
        self.epoch = 0
        """Epoch of the runs to accept; others were fetched before the last seek."""
        self._topics = frozenset(topics)
        self._core = core
        self._wire = wire
        self._publisher = publisher
        self._observer = observer
        self._reporter = Reporter(observer, core)
        self._partitions = 0
        self._lease = lease
        self._guard = DeadLetterGuard(config.dead_letter_limits)
        self._blocked: frozenset[TP] = frozenset()
        self._loaded = False
        self._hearing = True
        """Whether the partitions have heard the log of fleet updates from its beginning on."""
        # Outputs of a batch and the state that remembers them must not be parted by a checkpoint.
        self._gate = asyncio.Lock()
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
        if not self._loaded or any(tp.partition not in self.shards for tp in tps):
            return None
        return {tp: self.shards[tp.partition].expected[tp.topic] for tp in tps}

    async def release(self, *, lost: bool) -> None:
        """Last checkpoint of all partitions, unless another member may own them already; then forget them."""
        self._observer.rebalance()
        try:
            async with asyncio.timeout(self.config.rebalance_timeout_s / 2):
                kept, self._loaded = self._loaded and not lost, False
                if kept:
                    await self.checkpoint()
                async with self._gate:
                    self.parting = self.shards if kept else {}
                    self.drop()
        except TimeoutError:
            logger.critical("the last checkpoint before a rebalance did not finish in time")
            leave(ExitCode.BROKEN)

    # What the worker does.

    def install(self, shards: Iterable[Shard], partitions: int) -> None:
        """Take over partitions, of so many in all, whose state was recovered."""
        self._partitions = partitions
        self.shards = {shard.number: shard for shard in shards}
        for shard in self.shards.values():
            shard.forget_events()
            self._guard.reached(shard.number, shard.feed.positions)
        self._blocked = frozenset()
        self._loaded = True
        self._hearing = False
        self.accepted_at = monotonic()
        self._reporter.owned(self.shards.values())

    def drop(self) -> None:
        """Forget all partitions; nothing of them is written any more."""
        self.shards = {}
        self._blocked = frozenset()
        self._loaded = False

    async def accept(self, run: Run, event: Acknowledged) -> None:
        """Apply a run and publish what came out of it.

        Raises:
            InvariantError: there is a delivery gap.
            DeadLetterLimitError: too much is dead-lettered.
            PublishError: an output could not be produced.
        """
        async with self._gate:
            shard = self.shards.get(run.partition)
            if not self._loaded or shard is None or run.epoch != self.epoch:
                return
            hit("after_fetch")
            new = shard.admit(run, event)
            if new is not None:
                shard.parked[new.topic].append(new)
                await self._apply_parked(shard, new.topic)

    async def retry(self) -> None:
        """Try again to decode the runs for which a schema was missing. Raises as `accept`."""
        async with self._gate:
            for shard in list(self.shards.values()):
                for topic, parked in shard.parked.items():
                    if parked:
                        await self._apply_parked(shard, topic)

    async def _apply_parked(self, shard: Shard, topic: str) -> None:
        parked = shard.parked[topic]
        while parked:
            run = parked[0]
            try:
                batch = self._wire.decode(run)
            except RegistryUnavailableError as error:
                logger.warning("%s[%d] waits for a schema: %s", topic, shard.number, error)
                break
            hit("after_decode")
            parked.popleft()
            read_at = monotonic()
            outcome = shard.feed.push(batch)
            shard.moved = True
            hit("after_step")
            shard.saw(batch)
            await self._publish(shard, outcome, read_at, min(run.timestamps_ms, default=0))
            self._reporter.applied(shard, len(run))
            if self._partitions:
                self._reporter.misplaced(run.keys, run.partition, self._partitions)
            run.drop_records()
            self.accepted_at = monotonic()
            self.wake.set()
        self._hold_back(shard)

    async def hear(self, records: Sequence[FleetDay], first: bool) -> bool:
        """Give all partitions the next fleet updates, which close days that waited for them.

        Args:
            records: in the order of their log; what a partition knows already it ignores.
            first: the log begins with these.

        Returns:
            Whether partitions have come since that must hear the log from its beginning.

        Raises:
            DeadLetterLimitError: too much is dead-lettered.
            PublishError: an output could not be produced.
        """
        self._hearing |= first
        for number in list(self.shards) if records else []:
            async with self._gate:
                shard = self.shards.get(number)
                if not self._loaded or not self._hearing or shard is None:
                    continue
                hit("after_fleet_read")
                outcome = shard.feed.learn(records)
                if not outcome.days_closed and not outcome.alerts:
                    continue
                shard.moved = True
                await self._publish(shard, outcome, monotonic(), time.time_ns() // 1_000_000)
                self._reporter.moved(shard)
                self._hold_back(shard)
                self.accepted_at = monotonic()
                self.wake.set()
        return not self._hearing

    async def _publish(self, shard: Shard, outcome: Outcome, read_at: float, arrived_ms: int) -> None:
        self._guard.reached(shard.number, shard.feed.positions)
        if outcome.fleet_days:
            hit("before_fleet_send")
            await self._publisher.publish(map(self._wire.fleet_day, outcome.fleet_days))
            hit("after_fleet_send_unacked")
            self.outputs_pending = True
        self._reporter.suppressed(outcome)
        if outcome.alerts or outcome.health or outcome.dead_letters:
            hit("before_alert_send")
            await self._publisher.publish(self._wire.outcome(outcome))
            await self._publisher.publish(map(self._wire.dead_letter, outcome.dead_letters))
            hit("after_alert_send_unacked")
            self.outputs_pending = True
            self._reporter.announced(read_at, arrived_ms, outcome)
            self._guard.check(outcome.dead_letters)

    def _hold_back(self, shard: Shard) -> None:
        """Stop fetching what only piles up in memory."""
        limit = self.config.max_held_records
        mine = {
            TP(topic, shard.number) for topic in self._topics if shard.parked[topic] or shard.feed.queued(topic) > limit
        }
        if mine or self._blocked:
            self._blocked = frozenset({tp for tp in self._blocked if tp.partition != shard.number} | mine)

    async def checkpoint(self) -> float:
        """Outputs acknowledged, then state acknowledged, then input acknowledged to Faust.

        Returns:
            Seconds that it kept other work from being done; waiting for the broker does not.

        Raises:
            PublishError: something was not acknowledged; nothing may be acknowledged after that.
        """
        async with self._checkpointing:
            # One partition after the other: while one is written, records of all are applied.
            return sum([await self._checkpoint(shard) for shard in list(self.shards.values()) if shard.moved])

    async def _checkpoint(self, shard: Shard) -> float:
        async with self._gate:
            started_at = monotonic()
            flight, announced = self._publisher.turn(), self._reporter.turn()
            self.outputs_pending = False
            shard.moved = False
            part = (shard, self._core.checkpoint(shard.feed, shard.epoch), dict(shard.feed.positions))
            busy_s = monotonic() - started_at
        await flight.wait()
        hit("after_alert_ack")
        self._reporter.acknowledged(announced)
        if not self._still_ours(shard):
            return busy_s
        busy_s += await self._write(part)
        shard.acknowledge(part[2])
        self.checkpointed_at = monotonic()
        self._reporter.checkpointed(self.checkpointed_at - started_at, [part])
        return busy_s

    def _still_ours(self, shard: Shard) -> bool:
        self._lease.check()
        return self.shards.get(shard.number) is shard

    async def _write(self, part: Part) -> float:
        shard, entries, _ = part
        flight = await self._publisher.publish_entries(self.config.changelog_topic, shard.number, entries)
        hit("after_state_send_unacked")
        await flight.wait()
        hit("after_state_ack")
        return flight.busy_s

    async def publish_ledgers(self) -> None:
        """Publish the ledger of every partition whose last one is old enough."""
        now = monotonic()
        due = [
            shard
            for shard in self.shards.values()
            if now - self._ledger_at.get(shard.number, 0.0) >= self.config.ledger_interval_s
        ]
        for shard in due:
            self._ledger_at[shard.number] = now
        await self._publisher.publish([self._wire.ledger(self._core.ledger_entry(shard.feed)) for shard in due])
