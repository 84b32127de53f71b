"""The dead letters: list them, and put them back into their topics once their cause is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from agents.kafka import clients
from agents.kafka.brokers import topics_of
from pipeline.terms.records import DeadLetter
from schemas.codec.encode import RecordDecoder
from schemas.errors import ForeshockError
from schemas.registry.source import SchemaRegistry
from schemas.topics import INPUT_TOPICS, TOPICS

TOPIC = "dead.letters"
REPLAY_HEADER = "foreshock-replayed-from"
"""Names the dead letter as topic/partition/offset."""
_GROUP = "foreshock-dead-letters"
_ASK_S = 20.0
_ACK_S = 20.0
_POLL_S = 0.2
_BATCH = 1_000


class ReplayError(ForeshockError):
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
    for message in _messages(client, TOPIC):
        value = message.value()
        if value is None:
            continue
        fields = decoder.decode(_bytes(value))
        letter = DeadLetter(seen_at_ms=fields.pop("seen_at"), **fields)
        found = Quarantined(letter, message.partition() or 0, message.offset() or 0)
        if wanted(found):
            yield found


def outstanding(
    client: Mapping[str, Any],
    registry: SchemaRegistry,
    wanted: Filter,
    on_replayed: Callable[[Quarantined], object] = lambda _found: None,
) -> Iterator[Quarantined]:
    """As `read`, without those that were put back before, of which `on_replayed` is told.

    Each is named by a header in its input topic, behind the record that it tells of.

    Raises:
        ReplayError: a letter is not from an input topic.
    """
    first: dict[str, dict[int, int]] = {}
    for found in read(client, registry, wanted):
        letter = found.letter
        if letter.topic not in INPUT_TOPICS:
            message = f"dead letter {found.place} is from {letter.topic}, which is no input topic"
            raise ReplayError(message)
        offsets = first.setdefault(letter.topic, {})
        offsets[letter.partition] = min(letter.offset + 1, offsets.get(letter.partition, letter.offset + 1))
    replayed = {name for topic, offsets in first.items() for name in _replayed(client, topic, offsets)}
    for found in read(client, registry, wanted):
        if _name(found) in replayed:
            on_replayed(found)
        else:
            yield found


def replay(client: Mapping[str, Any], letters: Iterable[Quarantined]) -> int:
    """Produce the original bytes into their topic and partition again; returns how many were acknowledged.

    An event that was applied after all is then a duplicate by its event id, and is not counted twice. Whatever ends
    this, what was sent before is waited for.

    Raises:
        ReplayError: a letter was not delivered.
    """
    producer = clients.producer({**client, "delivery.timeout.ms": int(_ACK_S * 1000)}, "dead letters")
    failures: list[str] = []

    def failed(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(f"{message.topic()}[{message.partition()}]: {error.str()}")

    count = 0
    try:
        for found in letters:
            while not failures and not _sent(producer, found, failed):
                # Full: what is acknowledged, or given up, makes room.
                producer.poll(_POLL_S)
            if failures:
                break
            count += 1
    finally:
        left = producer.flush(2 * _ACK_S)
    if failures or left:
        detail = failures[0] if failures else f"{left} records were not acknowledged"
        message = f"not everything was put back: {detail}; run the same command again for the rest"
        raise ReplayError(message)
    return count


def _sent(producer: Producer, found: Quarantined, failed: Callable[[KafkaError | None, Message], None]) -> bool:
    """Hand a letter over; False while the producer has no room."""
    letter = found.letter
    header = (REPLAY_HEADER, _name(found))
    try:
        producer.produce(letter.topic, letter.value, letter.key, letter.partition, failed, headers=[header])
    except BufferError:
        return False
    producer.poll(0)
    return True


def _name(found: Quarantined) -> bytes:
    return f"{TOPIC}/{found.place}".encode()


def _replayed(client: Mapping[str, Any], topic: str, first: Mapping[int, int]) -> Iterator[bytes]:
    """Names of the dead letters that stand in partitions of an input topic from these offsets on."""
    for message in _messages(client, topic, first):
        name = dict(message.headers() or ()).get(REPLAY_HEADER)
        if name is not None:
            yield _bytes(name)


def _messages(client: Mapping[str, Any], topic: str, first: Mapping[int, int] | None = None) -> Iterator[Message]:
    """Every record of a topic, or of some partitions from these offsets on, to those that are there now."""
    with closing(clients.consumer(client, "partitions", _GROUP)) as consumer:
        starts, ends = _bounds(consumer, topic, first)
        consumer.assign([TopicPartition(topic, partition, start) for partition, start in starts.items()])
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


def _bounds(consumer: Consumer, topic: str, first: Mapping[int, int] | None) -> tuple[dict[int, int], dict[int, int]]:
    """Where to start and to end in the partitions that hold anything."""
    described = consumer.list_topics(topic, timeout=_ASK_S).topics[topic]
    if described.error is not None:
        raise KafkaException(described.error)
    starts, ends = {}, {}
    for partition in described.partitions if first is None else first:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_ASK_S)
        start = low if first is None or first[partition] > high else max(low, first[partition])
        if high > start:
            starts[partition], ends[partition] = start, high
    return starts, ends


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
