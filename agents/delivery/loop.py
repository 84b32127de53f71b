"""The delivery into one sink: topics into a destination that may lag and never loses.

After anything unexpected (destination away, another writer, unknown COMMIT, rebalance) nothing is kept in memory:
the positions are read again, and the topics from there. Meanwhile the consumer is polled without partitions, so
that the group does not evict it. Detection never waits for a delivery.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from agents.delivery.positions import Place, positions_of
from agents.delivery.reader import Decode, DeliverReader, Item, Publish, offset_of, place_of
from agents.kafka import clients
from agents.kafka.brokers import Silence
from agents.process.exits import RefusedError
from agents.process.failpoints import hit
from pipeline.config import EngineConfig
from schemas.errors import RegistryUnavailableError
from sinks.backoff import Backoff, Progress
from sinks.delivery import PROJECTIONS, Advance, DeliveryBatch, Sink, Written
from sinks.errors import CommitUnknownError, PositionConflictError, SinkRejectedError, SinkUnavailableError
from sinks.metrics import Metrics

logger = logging.getLogger(__name__)

WAITS = "waits for the group's partitions"
_POLL_S = 0.2
_ASK_S = 10.0
_LOOK_S = 1.0
_CONFLICT_RETRY_S = 0.05
_POSITION_GONE = frozenset({"_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE"})


@dataclass(frozen=True, slots=True)
class DeliverConfig:
    """How to read: `kafka` are librdkafka settings (brokers, security), `group` is that of all deliverers to it."""

    kafka: Mapping[str, Any]
    sink: str = "database"
    """Its name in the table of sinks."""
    group: str = "foreshock-deliver"
    topics: Sequence[str] = tuple(PROJECTIONS)
    batch_records: int = 2_000
    batch_wait_s: float = 0.25
    longest_backoff_s: float = 30.0
    max_skew_ms: int = EngineConfig().max_skew_ms
    """Events further in the future than this are left to the workers' quarantine."""
    accept_loss: bool = False
    """Go on from the oldest record when the topic no longer has the position; otherwise refuse."""


class Deliver:
    """Writes topics to a sink until stopped; `run` belongs to one thread, the rest to any.

    Args:
        config: what to read and how much at a time.
        sink: where to. The caller closes it.
        decode: topic and value to a record; see `deliver_reader.record_decoder`.
        dead_letter: publishes a record that can never be written and returns once that is acknowledged.
        metrics: told what happens.
        failpoint: called between a write and the moving of the group's position.
    """

    def __init__(
        self,
        config: DeliverConfig,
        sink: Sink,
        decode: Decode,
        dead_letter: Publish,
        metrics: Metrics,
        *,
        failpoint: Callable[[str], None] = hit,
    ) -> None:
        self._config = config
        self._name = config.sink
        self._sink = sink
        self._kept = positions_of(sink)
        self._reader = DeliverReader(decode, dead_letter, metrics, config.max_skew_ms)
        self._metrics = metrics
        self._failpoint = failpoint
        self._stop = threading.Event()
        self._assigned: list[TopicPartition] = []
        self._positions: dict[Place, int | None] = {}
        self._placed = False
        self._backoff = Backoff(config.longest_backoff_s)
        self._problem: str | None = "not started"
        self._silence: str | None = None
        self._joined = False
        self._progress = Progress()
        self.healthy = self._progress.problem

    def stop(self) -> None:
        """Ask `run` to return after the transaction in hand."""
        self._stop.set()

    def ready(self) -> str | None:
        """Say why records are not being written now, for /-/ready."""
        return self._problem or self._silence

    def run(self) -> None:
        """Deliver until stopped.

        Raises:
            RefusedError: the topic has lost records that were never written, or was made anew.
            KafkaException: the client is broken for good.
        """
        config, complain = self._config, clients.Complaints(logger, "delivery")
        client = {**config.kafka, "log_level": clients.SILENT}
        consumer = clients.consumer(client, "deliveries", config.group, on_error=complain)
        self._problem = WAITS
        try:
            consumer.subscribe(
                list(self._config.topics),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_revoke,
            )
            silence = Silence(consumer, next(iter(self._config.topics)))
            while not self._stop.is_set():
                self._step(consumer, silence)
        finally:
            consumer.close()
            self._problem = "stopped"

    def _step(self, consumer: Consumer, silence: Silence) -> None:
        self._progress.made()
        try:
            if self._joined and not self._placed:
                self._place(consumer)
            messages = consumer.consume(self._config.batch_records, self._config.batch_wait_s)
            self._silence = silence.problem(messages)
            self._take(consumer, messages)
        except SinkUnavailableError as error:
            unknown = isinstance(error, CommitUnknownError)
            self._metrics.sink_failed(self._name, "commit_unknown" if unknown else "unavailable")
            self._metrics.sink_blocked(self._name)
            self._wait(consumer, str(error), error.retry_after_s)
        except PositionConflictError as error:
            self._metrics.sink_failed(self._name, "conflict")
            self._wait(consumer, str(error), _CONFLICT_RETRY_S)
        except RegistryUnavailableError as error:
            self._wait(consumer, str(error), 1.0)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Where to read from may be in the destination, and that may be away: not to be waited for in a callback.
        consumer.assign([])
        self._assigned, self._placed, self._joined = partitions, False, True
        self._metrics.rebalance()

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        del partitions  # With this assignor it is always all of them.
        consumer.unassign()
        self._assigned, self._placed, self._joined = [], False, False
        self._problem = WAITS

    def _place(self, consumer: Consumer) -> None:
        """Read the positions and start fetching there."""
        places = [(each.topic, each.partition) for each in self._assigned]
        known = self._kept.read(consumer, places)
        self._positions = {place: known.get(place) for place in places}
        consumer.assign([TopicPartition(*place, known.get(place, OFFSET_BEGINNING)) for place in places])
        self._placed = True
        self._problem = None

    def _wait(self, consumer: Consumer, problem: str, retry_after_s: float) -> None:
        """Drop what is in hand and stay in the group until it is time to try again."""
        consumer.assign([])
        self._placed = False
        self._problem = problem
        self._show_backlog(consumer)
        delay_s = self._backoff.next_delay(retry_after_s)
        logger.warning("delivery to the %s tries again in %.2f s: %s", self._name, delay_s, problem)
        until_s = time.monotonic() + delay_s
        while not self._stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            self._progress.made()
            consumer.poll(min(_POLL_S, left_s))

    def _take(self, consumer: Consumer, messages: Sequence[Message]) -> None:
        """Write what was fetched, if it is still ours."""
        sound = [message for message in messages if self._is_sound(consumer, message)]
        # A rebalance within the fetch may have taken the partitions away and even given them back.
        if not sound or not self._placed:
            return
        advances = self._advances(sound)
        items = [item for message in sound if (item := self._reader.read(message)) is not None]
        began_s = time.monotonic()
        written = self._write(items, advances)
        self._failpoint("sink_after_commit")
        self._kept.written(consumer, advances)
        self._backoff.reset()
        self._metrics.sink_committed(self._name, time.monotonic() - began_s, time.time())
        self._count(written)
        for advance in advances:
            self._positions[advance.topic, advance.partition] = advance.next
        self._show_lag(consumer, advances)

    def _is_sound(self, consumer: Consumer, message: Message) -> bool:
        """Say whether this is a record of a partition of ours; raises for what delivery cannot go on from."""
        error = message.error()
        if error is None:
            return place_of(message) in self._positions
        if error.name() in _POSITION_GONE and self._placed:
            self._skip_gap(consumer, place_of(message))
        elif error.fatal():
            raise KafkaException(error)
        elif error.name() != "_PARTITION_EOF":
            logger.warning("delivery: %s", error)
        return False

    def _skip_gap(self, consumer: Consumer, place: Place) -> None:
        """Handle a position that the topic does not have: refuse, or go on at its oldest record."""
        old = self._positions.get(place)
        oldest, newest = consumer.get_watermark_offsets(TopicPartition(*place), timeout=_ASK_S)
        problem = (
            f"{place[0]}/{place[1]}: the {self._name} expects offset {old}, the topic has {oldest}-{newest}; "
            "retention removed records, or the topic was made anew"
        )
        if not self._config.accept_loss:
            message = f"{problem}; accept the loss, or deliver from the beginning under a new cluster name"
            raise RefusedError(message)
        logger.error("%s; going on at %d", problem, oldest)
        self._metrics.invariant("delivery_gap")
        advance = Advance(*place, old, oldest)
        self._sink.write(DeliveryBatch([], [advance]))
        self._kept.written(consumer, [advance])
        raise PositionConflictError(problem)

    def _advances(self, messages: Sequence[Message]) -> list[Advance]:
        last = {place_of(message): offset_of(message) for message in messages}
        return [Advance(*place, self._positions[place], offset + 1) for place, offset in last.items()]

    def _write(self, items: Sequence[Item], advances: Sequence[Advance]) -> Written:
        """Write all that can be written; what cannot be is dead-lettered first."""
        while True:
            try:
                batch = DeliveryBatch([record for record, _ in items], advances)
                return self._sink.write(batch)
            except SinkRejectedError as error:
                self._metrics.sink_failed(self._name, "rejected")
                for rejection in error.rejections:
                    self._reader.reject(items[rejection.index][1], rejection.reason, rejection.detail)
                refused = {rejection.index for rejection in error.rejections}
                items = [item for index, item in enumerate(items) if index not in refused]

    def _count(self, written: Written) -> None:
        for projection, records in written.records.items():
            self._metrics.sink_written(self._name, projection, records)
        for alert_id, revision in written.conflicts:
            logger.error("alert %s revision %d came again with other content", alert_id, revision)
            self._metrics.invariant("alert_conflict")

    def _show_backlog(self, consumer: Consumer) -> None:
        """Say how much waits while nothing is taken; where the position was never learnt, all that the topic has."""
        for each in self._assigned:
            place = (each.topic, each.partition)
            try:
                oldest, newest = consumer.get_watermark_offsets(TopicPartition(*place), timeout=_LOOK_S)
            except KafkaException:
                return
            position = self._positions.get(place)
            waiting = newest - (oldest if position is None else position)
            self._metrics.sink_lag(self._name, *place, max(0, waiting))

    def _show_lag(self, consumer: Consumer, advances: Sequence[Advance]) -> None:
        for each in advances:
            _, newest = consumer.get_watermark_offsets(TopicPartition(each.topic, each.partition), cached=True)
            self._metrics.sink_lag(self._name, each.topic, each.partition, max(0, newest - each.next))
