"""The dead letters: list them, and put them back into their topics once their cause is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from agents.kafka.brokers import topics_of
from pipeline.terms.records import DeadLetter
from schemas.codec.encode import RecordDecoder
from schemas.registry.source import SchemaRegistry
from schemas.topics import INPUT_TOPICS, LARGEST_MESSAGE_BYTES, TOPICS

TOPIC = "dead.letters"
REPLAY_HEADER = "foreshock-replayed-from"
"""Names the dead letter as topic/partition/offset."""
_GROUP = "foreshock-dead-letters"
_ASK_S = 20.0
_POLL_S = 0.2
_BATCH = 1_000


class ReplayError(RuntimeError):
    """A dead letter could not be put back; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A dead letter and where it stands in dead.letters."""

    letter: DeadLetter
    partition: int
    offset: int

    @property
    def place(self) -> str:
        """Where it stands, as `partition/offset`: names it on the command line."""
        return f"{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; None: whatever it is."""

    topic: str | None = None
    reason: str | None = None
    since_ms: int | None = None
    """Kafka timestamp of the original record."""
    places: frozenset[str] | None = None

    def __call__(self, found: Quarantined) -> bool:
        """Whether this one is meant."""
        letter = found.letter
        return (
            (self.topic is None or letter.topic == self.topic)
            and (self.reason is None or letter.reason == self.reason)
            and (self.since_ms is None or letter.seen_at_ms >= self.since_ms)
            and (self.places is None or found.place in self.places)
        )


def read(client: Mapping[str, Any], registry: SchemaRegistry, wanted: Filter) -> Iterator[Quarantined]:
    """All dead letters that are there now and are meant, in the order of each partition.

    Raises:
        UnreachableError: no broker answers.
        KafkaException: the topic cannot be read.
        SchemaError: a dead letter itself cannot be decoded.
    """
    decoder = RecordDecoder(TOPICS[TOPIC].schema, registry)
    topics_of(client, _ASK_S)
    for message in _messages(client):
        value = message.value()
        if value is None:
            continue
        fields = decoder.decode(_bytes(value))
        letter = DeadLetter(seen_at_ms=fields.pop("seen_at"), **fields)
        found = Quarantined(letter, message.partition() or 0, message.offset() or 0)
        if wanted(found):
            yield found


def replay(
    client: Mapping[str, Any],
    letters: Iterator[Quarantined],
    on_sent: Callable[[Quarantined], None] = lambda _found: None,
) -> int:
    """Produce the original bytes into their topic and partition again; returns how many were acknowledged.

    An event that was applied after all is then a duplicate by its event id, and is not counted twice.

    Raises:
        ReplayError: a letter is not from an input topic, or was not delivered.
    """
    settings = {"acks": "all", "enable.idempotence": True, "delivery.report.only.error": True}
    producer = Producer({**client, **settings, "message.max.bytes": LARGEST_MESSAGE_BYTES})
    failures: list[str] = []

    def failed(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(f"{message.topic()}[{message.partition()}]: {error.str()}")

    count = 0
    for found in letters:
        letter = found.letter
        if letter.topic not in INPUT_TOPICS:
            message = f"dead letter {found.place} is from {letter.topic}, which is no input topic"
            raise ReplayError(message)
        header = f"{TOPIC}/{found.place}".encode()
        producer.produce(
            letter.topic,
            letter.value,
            letter.key,
            letter.partition,
            on_delivery=failed,
            headers=[(REPLAY_HEADER, header)],
        )
        producer.poll(0)
        count += 1
        on_sent(found)
    left = producer.flush(_ASK_S)
    if failures or left:
        detail = failures[0] if failures else f"{left} records were not acknowledged"
        message = f"not everything was put back: {detail}; run the same command again, repeats are harmless"
        raise ReplayError(message)
    return count


def _messages(client: Mapping[str, Any]) -> Iterator[Message]:
    """Every record from the oldest to those that are there now."""
    settings = {**client, "group.id": _GROUP, "enable.auto.commit": False, "enable.partition.eof": True}
    with closing(Consumer(settings)) as consumer:
        ends = _ends(consumer)
        consumer.assign([TopicPartition(TOPIC, partition, OFFSET_BEGINNING) for partition in ends])
        while ends:
            for message in consumer.consume(_BATCH, _POLL_S):
                partition = message.partition() or 0
                if (error := message.error()) is not None:
                    if error.name() != "_PARTITION_EOF":
                        raise KafkaException(error)
                    ends.pop(partition, None)
                    continue
                if partition in ends:
                    if (message.offset() or 0) < ends[partition]:
                        yield message
                    else:
                        del ends[partition]


def _ends(consumer: Consumer) -> dict[int, int]:
    described = consumer.list_topics(TOPIC, timeout=_ASK_S).topics[TOPIC]
    if described.error is not None:
        raise KafkaException(described.error)
    ends = {}
    for partition in described.partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=_ASK_S)
        if high > low:
            ends[partition] = high
    return ends


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
