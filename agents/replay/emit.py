"""Produce event files into Kafka along the replay plan, at a consumer group's pace if asked to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from confluent_kafka import KafkaError, KafkaException, Message

from agents.eventfiles.files import EventFiles
from agents.kafka import clients
from agents.replay.arrivals import Clock
from agents.replay.pace import Pace
from agents.replay.plan import ReplayPlan, Rows, Step, plan
from schemas.codec.encode import Encoder, TickEncoder
from schemas.errors import ForeshockError
from schemas.registry.source import SchemaRegistry
from schemas.topics import INPUT_TOPICS, TICK_KEY, TOPICS

_SLICE_RECORDS = 500
_COLUMNAR_RECORDS = 50
"""From so many rows on, encoding columns is faster than encoding rows."""
_FLUSH_S = 60.0
_METADATA_S = 20.0


class EmitError(ForeshockError):
    """Not everything was delivered; the message says what to do."""


@dataclass(slots=True)
class Emitted:
    """What was produced so far."""

    events: int = 0
    ticks: int = 0
    size_bytes: int = 0
    event_time_ms: int = 0
    """Time of the last tick."""
    by_topic: dict[str, int] = field(default_factory=dict)
    """Records, ticks included."""

    @property
    def records(self) -> int:
        """Events and ticks."""
        return self.events + self.ticks


@dataclass(frozen=True, slots=True)
class EmitOptions:
    """How to produce."""

    clock: Clock
    """When ticks stand between the events."""
    with_ticks: bool = True
    """Without them days do not end while a topic is quiet."""
    final_tick_ms: int | None = None
    source: str = "emit"
    """What the ticks name as their source."""


def emit(
    files: EventFiles,
    client: Mapping[str, Any],
    registry: SchemaRegistry,
    options: EmitOptions,
    *,
    pace: Pace | None = None,
    on_step: Callable[[Emitted], None] = lambda _emitted: None,
) -> Emitted:
    """Produce all events, and ticks, in the order of the plan; returns when all are acknowledged.

    Args:
        files: what to produce.
        client: librdkafka settings of any client of these brokers.
        registry: gives the ids of the schemas to write with.
        options: how to produce.
        pace: waits while its consumer group is too far behind.
        on_step: told after each step.

    Raises:
        EmitError: a topic is missing, the partition counts differ, or a record was not delivered.
        StuckError: the consumer group does not move.
    """
    return Emission(client, registry, pace, options).run(files, on_step)


class Emission:
    """One run: a producer, encoders, and what was sent."""

    def __init__(
        self, client: Mapping[str, Any], registry: SchemaRegistry, pace: Pace | None, options: EmitOptions
    ) -> None:
        self._producer = clients.producer(client, "files")
        self._encoders = {topic: Encoder(TOPICS[topic], registry) for topic in INPUT_TOPICS}
        self._ticks = TickEncoder(registry)
        self._pace = pace
        self._options = options
        self._emitted = Emitted(by_topic=dict.fromkeys(INPUT_TOPICS, 0))
        self._failure: str | None = None

    def run(self, files: EventFiles, on_step: Callable[[Emitted], None]) -> Emitted:
        """Produce the files; see `emit`."""
        for step in self.plan(files):
            self._send_step(step)
            on_step(self._emitted)
        self._flush()
        return self._emitted

    def plan(self, files: EventFiles) -> ReplayPlan:
        """The plan for the partitions that the topics have."""
        return plan(files, self._partitions(), self._options.clock, final_tick_ms=self._options.final_tick_ms)

    def _partitions(self) -> int:
        found = self._producer.list_topics(timeout=_METADATA_S).topics
        missing = [topic for topic in INPUT_TOPICS if topic not in found]
        if missing:
            message = f"no topic {', '.join(missing)}; run `foreshock topics apply` first"
            raise EmitError(message)
        counts = {topic: len(found[topic].partitions) for topic in INPUT_TOPICS}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{topic} {count}" for topic, count in counts.items())
            message = f"the input topics must have the same number of partitions; they have: {listed}"
            raise EmitError(message)
        return counts[INPUT_TOPICS[0]]

    def _send_step(self, step: Step) -> None:
        for rows in step.rows:
            for values, keys in self._slices(rows):
                self._send(rows, values, keys)
        if self._options.with_ticks:
            tick = self._ticks.encode(step.tick_at_ms, self._options.source)
            for rows in step.rows:
                self._produce(rows.topic, rows.partition, TICK_KEY, tick)
            self._emitted.ticks += len(step.rows)
        self._emitted.event_time_ms = step.tick_at_ms
        self._check()

    def _slices(self, rows: Rows) -> Iterator[tuple[list[bytes], list[str]]]:
        table = rows.table
        for first in range(0, len(rows), _SLICE_RECORDS):
            part = table.slice(first, _SLICE_RECORDS)
            yield _encoded(self._encoders[rows.topic], part), part.column("account_id").to_pylist()

    def _send(self, rows: Rows, values: list[bytes], keys: list[str]) -> None:
        if self._pace is not None:
            self._pace.wait(rows.topic, rows.partition, self._check)
        for key, value in zip(keys, values, strict=True):
            self._produce(rows.topic, rows.partition, key.encode(), value)
        self._emitted.events += len(values)

    def _produce(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        if self._pace is not None:
            self._pace.sending(topic, partition, len(key) + len(value))
        while True:
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=self._failed)
                break
            except BufferError:
                self._producer.poll(0.1)
                self._check()
        self._emitted.by_topic[topic] += 1
        self._emitted.size_bytes += len(key) + len(value)

    def _failed(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = f"a record of {message.topic()}[{message.partition()}] was not delivered: {error.str()}"

    def _check(self) -> None:
        self._producer.poll(0)
        if self._failure is not None:
            raise EmitError(self._failure)

    def _flush(self) -> None:
        try:
            left = self._producer.flush(_FLUSH_S)
        except KafkaException as error:
            raise EmitError(str(error)) from error
        self._check()
        if left:
            message = f"{left} records were not acknowledged within {_FLUSH_S:.0f} s; are the brokers up?"
            raise EmitError(message)


def _encoded(encoder: Encoder, table: pa.Table) -> list[bytes]:
    if table.num_rows >= _COLUMNAR_RECORDS:
        return encoder.encode_table(table)
    return [
        encoder.encode({name: value for name, value in row.items() if value is not None})
        for row in table.to_pylist(maps_as_pydicts="strict")
    ]
