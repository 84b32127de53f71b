"""What the brokers tell of the pipeline: ends of the topics, how far the workers are, their ledger."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition

from agents.kafka import clients
from agents.kafka.registry import open_registry
from schemas.codec.encode import RecordDecoder
from schemas.errors import ForeshockError
from schemas.registry.source import SchemaRegistry
from schemas.topics import INPUT_TOPICS, TOPICS

if TYPE_CHECKING:
    from agents.settings import Settings

logger = logging.getLogger(__name__)

FRESH_S = 5.0
"""So old an answer is good enough, for all viewers."""
_WAIT_S = 1.5
_ASK_S = 3.0
_TAIL = 200
_LEDGER = "ledger"
_POLL_S = 0.2
_FATES = ("applied", "late_applied", "duplicate", "too_late", "dead_lettered", "rerouted", "holes")


@dataclass(frozen=True, slots=True)
class Place:
    """One partition of a topic."""

    topic: str
    partition: int
    first: int
    end: int
    committed: int | None
    """How far the workers are; None of a topic that they do not read, or before they began."""


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of the records of one input topic, by the ledger."""

    topic: str
    counts: Mapping[str, int]
    offsets: int
    """Records and holes that the ledger speaks of."""

    @property
    def adds_up(self) -> bool:
        """Whether every offset has met exactly one fate."""
        return sum(self.counts.values()) == self.offsets


@dataclass(frozen=True, slots=True)
class Brokers:
    """What was found; empty with a `problem`."""

    places: tuple[Place, ...] = ()
    ledger: tuple[Fates, ...] = ()
    watermark_ms: int | None = None
    """Of the partition that is behind the others."""
    problem: str | None = None

    def of(self, topic: str) -> list[Place]:
        """The partitions of a topic."""
        return [each for each in self.places if each.topic == topic]

    def lag(self, topic: str) -> int:
        """Records of an input topic that the workers have not acknowledged."""
        return sum(max(0, each.end - max(each.first, each.committed or 0)) for each in self.of(topic))


class Lags:
    """Asks the brokers behind the scenes, at most every `FRESH_S` seconds, whoever looks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found = Brokers(problem="the brokers were not asked yet")
        self._at_s = -FRESH_S
        self._asking = threading.Lock()

    def look(self) -> Brokers:
        """The newest answer; waits a moment for one when it is old."""
        if monotonic() - self._at_s >= FRESH_S and self._asking.acquire(blocking=False):
            asking = threading.Thread(target=self._ask, name="brokers", daemon=True)
            asking.start()
            asking.join(_WAIT_S)
        return self._found

    def _ask(self) -> None:
        try:
            self._found = _brokers(self._settings)
        except (KafkaException, ForeshockError) as error:
            self._found = Brokers(problem=f"the brokers do not answer: {error}")
        finally:
            self._at_s = monotonic()
            self._asking.release()


def _brokers(settings: Settings) -> Brokers:
    client = {**settings.kafka_client(), "log_level": clients.SILENT}
    with closing(clients.consumer(client, "positions", settings.app.group)) as consumer:
        places = tuple(_places(consumer))
    with closing(clients.consumer(client, "partitions", f"{settings.app.group}-console")) as consumer:
        entries = {each["partition"]: each for each in _ledger(consumer, places, open_registry(settings))}
    watermarks = [each["at_ms"] for each in entries.values() if each["at_ms"] is not None]
    return Brokers(places, tuple(_fates(entries)), min(watermarks, default=None))


def _places(consumer: Consumer) -> Iterator[Place]:
    described = consumer.list_topics(timeout=_ASK_S).topics
    for topic in TOPICS:
        if topic not in described:
            continue
        partitions = [TopicPartition(topic, number) for number in sorted(described[topic].partitions)]
        committed = consumer.committed(partitions, timeout=_ASK_S) if topic in INPUT_TOPICS else partitions
        for at in committed:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, at.partition), timeout=_ASK_S)
            known = at.offset if at.offset > OFFSET_INVALID and at.offset >= 0 else None
            yield Place(topic, at.partition, first, end, known)


def _ledger(consumer: Consumer, places: tuple[Place, ...], registry: SchemaRegistry) -> Iterator[dict[str, Any]]:
    """The last entries of each partition of the ledger, in their order."""
    decoder = RecordDecoder(TOPICS[_LEDGER].schema, registry)
    there = [each for each in places if each.topic == _LEDGER and each.end > each.first]
    left = {each.partition: each.end for each in there}
    starts = [TopicPartition(_LEDGER, each.partition, max(each.first, each.end - _TAIL)) for each in there]
    consumer.assign(starts)
    until_s = monotonic() + _ASK_S
    while left and monotonic() < until_s:
        for message in consumer.consume(_TAIL, _POLL_S):
            partition, offset, value = message.partition() or 0, message.offset() or 0, message.value()
            if message.error() is not None:
                left.pop(partition, None)
                continue
            if value is not None and partition in left:
                yield decoder.decode(bytes(value))
            if offset + 1 >= left.get(partition, 0):
                left.pop(partition, None)


def _fates(entries: Mapping[int, Mapping[str, Any]]) -> Iterator[Fates]:
    for topic in INPUT_TOPICS:
        found = [each for entry in entries.values() for each in entry["topics"] if each["topic"] == topic]
        counts = {fate: sum(each[fate] for each in found) for fate in _FATES}
        yield Fates(topic, counts, sum(each["next_offset"] for each in found))
