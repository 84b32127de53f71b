"""Faust transport that delivers runs of records instead of single ones.

Where this module and `agents.transport.runs` reach into Faust and aiokafka, tests/component/test_canary.py pins what
they rely on.
"""
# ruff: noqa: SLF001 - drivers have no public way to what a transport must replace; see above

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from time import monotonic
from typing import Any, ClassVar, Protocol, cast

import aiokafka
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from agents.process.exits import abandon
from agents.process.failpoints import hit
from agents.settings.worker import WorkerConfig
from agents.transport.runs import Run, cut

_FETCH_WAIT_MS = 250
"""Longest time a broker holds a fetch when nothing is new; bounds how late a partition is fetched again."""


class Intake(Protocol):
    """What the transport asks of the worker that it delivers to."""

    config: WorkerConfig
    epoch: int
    """Number of seeks so far."""

    def blocked(self) -> Collection[TP]:
        """Partitions not to be fetched now."""

    def source_topics(self) -> Collection[str]:
        """Topics delivered as runs; nothing else is delivered."""

    async def start_positions(self, tps: Collection[TP]) -> Mapping[TP, int] | None:
        """Where each partition must be read from; None while the state is not loaded."""

    async def release(self, *, lost: bool) -> None:
        """Give up all partitions; `lost` when another member may own them already."""


def _plain(tp: TP) -> TopicPartition:
    """The only kind of topic-partition that aiokafka takes."""
    return TopicPartition(tp.topic, tp.partition)


class RunThread(driver.AIOKafkaConsumerThread):
    """The thread of the aiokafka consumer; cuts fetched data into runs."""

    @property
    def intake(self) -> Intake:
        """The worker behind this transport."""
        return cast("BatchTransport", self.transport).intake

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        consumer._isolation_level = "read_committed"
        return consumer

    def lost(self) -> bool:
        """Whether this member was thrown out of its group."""
        return bool(self._ensure_consumer()._coordinator.generation == driver.DEFAULT_GENERATION_ID)

    def partitions(self, topic: str) -> int:
        """Number of a topic's partitions as of the newest metadata; 0 when unknown."""
        return len(self._consumer.partitions_for_topic(topic) or ()) if self._consumer else 0

    async def committed(self, tp: TP) -> int | None:
        """The group's committed offset."""
        offset: int | None = await self.call_thread(self._ensure_consumer().committed, _plain(tp))
        return offset

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Keep aiokafka from fetching before the start positions are known."""
        try:
            self._ensure_consumer().pause(*map(_plain, assigned))
            await super().on_partitions_assigned(assigned, generation_id)
        except Exception as error:
            # aiokafka only logs what a listener raises.
            abandon(error)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """End the process if the partitions could not be given up in order."""
        try:
            await super().on_partitions_revoked(revoked)
        except Exception as error:
            abandon(error)

    async def start_at(self, positions: Mapping[TP, int]) -> None:
        """Seek to the positions and fetch those partitions; makes earlier runs stale."""
        await self.call_thread(self._start_at, positions)

    async def _start_at(self, positions: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        # Runs are cut in this thread too, so none can mix offsets from before and after the seek.
        self.intake.epoch += 1
        for tp, offset in positions.items():
            consumer.seek(_plain(tp), offset)
        consumer.resume(*map(_plain, positions))

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[TP, list[Run]]:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        deadline = monotonic() + (timeout or 0.0)
        with fetcher._subscriptions.fetch_context():
            while True:
                if consumer._closed or fetcher._closed:
                    raise ConsumerStoppedError
                if fetcher._subscriptions.reassignment_in_progress:
                    return {}
                runs = self._take(fetcher, active_partitions - set(self.intake.blocked()))
                left = deadline - monotonic()
                if runs or left <= 0:
                    return runs
                waiter = fetcher._create_fetch_waiter()
                await asyncio.wait([waiter], timeout=min(left, _FETCH_WAIT_MS / 1000))
                if not waiter.done():
                    waiter.cancel()

    def _take(self, fetcher: Any, wanted: Collection[TP]) -> dict[TP, list[Run]]:
        """The next runs, one as a rule, of each wanted partition that has fetched records."""
        config = self.intake.config
        runs: dict[TP, list[Run]] = {}
        for tp in list(fetcher._records):
            if tp not in wanted:
                if not fetcher._subscriptions.is_assigned(tp):
                    del fetcher._records[tp]
                continue
            result = fetcher._records[tp]
            if type(result) is not FetchResult:
                if runs:
                    break
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
                result.check_raise()
                continue
            new = cut(tp, result, self.intake.epoch, config.max_batch_records, config.max_batch_bytes)
            if not result.has_more():
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
            if new:
                runs[tp] = new
        return runs


class RunConsumer(driver.Consumer):
    """Faust consumer whose messages are runs; commits the contiguous acknowledged prefix."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._open: defaultdict[TP, deque[ConsumerMessage]] = defaultdict(deque)
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> RunThread:
        return RunThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def thread(self) -> RunThread:
        """The consumer's thread."""
        return cast("RunThread", self._thread)

    @property
    def intake(self) -> Intake:
        """The worker behind this transport."""
        return cast("BatchTransport", self.transport).intake

    def partitions(self) -> dict[str, int]:
        """Number of partitions of each input topic and the changelog as of the newest metadata; 0 when unknown."""
        topics = [*self.intake.source_topics(), self.intake.config.changelog_topic]
        return {topic: self.thread.partitions(topic) for topic in topics}

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Subscribe, unless it is not to all: Faust tries that when it is stopped while it starts.

        A member without the changelog would make the assignor tear partitions of one number apart.
        """
        topics = set(topics)
        needed = {*self.intake.source_topics(), self.intake.config.changelog_topic}
        if needed <= topics:
            await super().subscribe(topics)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        topics = self.intake.source_topics()
        wanted = {tp for tp in active_partitions or () if tp.topic in topics}
        return await self._thread.getmany(wanted, timeout)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        run: Run = record
        message = ConsumerMessage(
            run.topic,
            run.partition,
            run.end - 1,
            run.timestamps_ms[-1] / 1000.0 if run.timestamps_ms else 0.0,
            0,
            None,
            None,
            cast("bytes", run),
            None,
            0,
            len(run),
            tp,
            generation_id=self.app.consumer_generation_id,
        )
        self._open[tp].append(message)
        return message

    async def perform_seek(self) -> None:
        """Seek every source partition to where its state wants to go on, not to the group's offsets."""
        topics = self.intake.source_topics()
        positions = await self.intake.start_positions({tp for tp in self.assignment() if tp.topic in topics})
        if positions is None:
            return
        self._open.clear()
        await self.thread.start_at(positions)
        for tp, offset in positions.items():
            self._read_offset[tp] = offset
            self._committed_offset[tp] = None

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Write a last checkpoint and forget the partitions before the group moves on."""
        # First, lest a recovery under way hands partitions out again.
        self.app.tables.on_partitions_revoked(revoked)
        await self.intake.release(lost=self.thread.lost())
        for tp in revoked:
            self._open.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing to note: every run but the first leaves a gap to the one before it."""

    def _new_offset(self, tp: TP) -> int | None:
        generation, waiting, last = self.app.consumer_generation_id, self._open[tp], None
        while waiting and (waiting[0].acked or waiting[0].generation_id != generation):
            message = waiting.popleft()
            if message.acked and message.generation_id == generation:
                last = message.offset
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return None if last is None else last + 1

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        hit("after_ack_before_commit")
        committed = await super()._commit(offsets)
        hit("after_commit")
        return committed

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Progress is watched by the worker itself."""


class BatchTransport(driver.Transport):
    """`foreshock+kafka://`: Kafka by aiokafka, delivered in runs."""

    Consumer: ClassVar[type[driver.Consumer]] = RunConsumer

    intake: Intake


def brokers(bootstrap: str) -> Iterable[str]:
    """Broker addresses as Faust URLs."""
    return [f"foreshock+kafka://{address.strip()}" for address in bootstrap.split(",") if address.strip()]
