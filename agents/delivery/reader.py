"""Kafka messages as records for a sink; what cannot be read, or cannot be written, becomes a dead letter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from agents.delivery.positions import Place
from pipeline.terms.records import DeadLetter
from schemas.codec.encode import RecordDecoder
from schemas.errors import IncompatibleSchemaError, MalformedError, UnknownSchemaError
from schemas.reasons import Reason
from schemas.topics import TICK_KEY, TOPICS
from schemas.validation import EVENT_TIME, row_is_valid
from sinks.delivery import PROJECTIONS, DeliveryRecord

if TYPE_CHECKING:
    from confluent_kafka import Message

    from schemas.registry.source import SchemaRegistry
    from sinks.metrics import Metrics

Decode = Callable[[str, bytes], Mapping[str, Any]]
"""Topic and value to a record; raises SchemaError."""
Publish = Callable[[DeadLetter], None]
"""Returns once the broker has acknowledged the dead letter; raises when it will not."""
Item = tuple[DeliveryRecord, "Message"]


def record_decoder(registry: SchemaRegistry, topics: Iterable[str]) -> Decode:
    """Return what decodes these topics with the schemas they are declared with."""
    decoders = {topic: RecordDecoder(TOPICS[topic].schema, registry) for topic in topics}

    def decode(topic: str, value: bytes) -> Mapping[str, Any]:
        return decoders[topic].decode(value)

    return decode


def place_of(message: Message) -> Place:
    """Topic and partition of a message."""
    return str(message.topic()), int(message.partition() or 0)


def offset_of(message: Message) -> int:
    """Offset of a message."""
    return int(message.offset() or 0)


class DeliverReader:
    """Decodes messages of the topics that sinks read."""

    def __init__(self, decode: Decode, publish: Publish, metrics: Metrics, max_skew_ms: int) -> None:
        self._max_skew_ms = max_skew_ms
        self._decode = decode
        self._publish = publish
        self._metrics = metrics

    def read(self, message: Message) -> Item | None:
        """Decode a message; None for a tombstone and for what was dead-lettered.

        Raises:
            RegistryUnavailableError: its schema cannot be had now; read it again later.
        """
        value = message.value()
        if value is None:
            return None  # It ends a compacted key; destinations keep what was as history.
        topic, partition = place_of(message)
        if TOPICS[topic].role == "input":
            return self._read_input(message)
        try:
            record = self._decode(topic, _bytes(value))
        except MalformedError as error:
            self.reject(message, error.reason, error.detail)
        except UnknownSchemaError as error:
            self.reject(message, Reason.UNKNOWN_SCHEMA, str(error))
        except IncompatibleSchemaError as error:
            self.reject(message, Reason.INCOMPATIBLE_SCHEMA, str(error))
        else:
            offset = offset_of(message)
            return DeliveryRecord(topic, partition, offset, PROJECTIONS[topic], record), message
        return None

    def _read_input(self, message: Message) -> Item | None:
        """The event, or None for a tick and for what the workers quarantine."""
        key, value = message.key(), message.value()
        if key is None or value is None or _bytes(key) == TICK_KEY:
            return None
        topic, partition = place_of(message)
        try:
            record = self._decode(topic, _bytes(value))
        except (MalformedError, UnknownSchemaError, IncompatibleSchemaError):
            return None
        early_ms = record[EVENT_TIME[TOPICS[topic].schema]] - message.timestamp()[1]
        if record["account_id"].encode() != _bytes(key) or early_ms > self._max_skew_ms:
            return None
        if not row_is_valid(TOPICS[topic].schema, record):
            return None
        return DeliveryRecord(topic, partition, offset_of(message), PROJECTIONS[topic], record), message

    def reject(self, message: Message, reason: str, detail: str) -> None:
        """Publish a message as a dead letter."""
        topic, partition = place_of(message)
        key, value = message.key(), message.value()
        self._publish(
            DeadLetter(
                topic=topic,
                partition=partition,
                offset=offset_of(message),
                reason=reason,
                detail=detail,
                key=None if key is None else _bytes(key),
                value=None if value is None else _bytes(value),
                seen_at_ms=message.timestamp()[1],
            )
        )
        self._metrics.dead_letter(topic, reason)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
