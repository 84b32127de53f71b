"""Where a delivery stands: in the destination itself, or, where that can store no positions, in the consumer group."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from sinks.delivery import Advance, PositionedSink, Sink
from sinks.errors import PositionConflictError, SinkUnavailableError

Place = tuple[str, int]
"""Topic and partition."""
_ASK_S = 10.0


class Positions(Protocol):
    """The next offset to deliver of each partition; what is unknown is delivered from its beginning."""

    def read(self, consumer: Consumer, places: Sequence[Place]) -> dict[Place, int]:
        """Those that are known of some partitions; raises SinkUnavailableError."""

    def written(self, consumer: Consumer, advances: Iterable[Advance]) -> None:
        """The destination has everything up to there; raises PositionConflictError."""


def positions_of(sink: Sink) -> Positions:
    """Where the positions of a sink are."""
    return _OfSink(sink) if isinstance(sink, PositionedSink) else _OfGroup()


class _OfSink:
    """The sink has written them with the records."""

    def __init__(self, sink: PositionedSink) -> None:
        self._sink = sink

    def read(self, consumer: Consumer, places: Sequence[Place]) -> dict[Place, int]:
        del consumer
        topics = {topic for topic, _ in places}
        known = {(topic, number): at for topic in topics for number, at in self._sink.positions(topic).items()}
        return {place: known[place] for place in places if place in known}

    def written(self, consumer: Consumer, advances: Iterable[Advance]) -> None:
        # Shows others how far delivery is; nothing is ever read from there.
        with contextlib.suppress(KafkaException):
            consumer.commit(offsets=_offsets(advances), asynchronous=True)


class _OfGroup:
    """The consumer group keeps them, once the destination has the records: after a crash these come again."""

    def read(self, consumer: Consumer, places: Sequence[Place]) -> dict[Place, int]:
        if not places:
            return {}
        try:
            found = consumer.committed([TopicPartition(*place) for place in places], timeout=_ASK_S)
        except KafkaException as error:
            message = f"the brokers do not tell the group's positions: {error.args[0]}"
            raise SinkUnavailableError(message) from error
        return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}

    def written(self, consumer: Consumer, advances: Iterable[Advance]) -> None:
        try:
            consumer.commit(offsets=_offsets(advances), asynchronous=False)
        except KafkaException as error:
            message = f"the brokers do not take the group's positions: {error.args[0]}"
            raise PositionConflictError(message) from error


def _offsets(advances: Iterable[Advance]) -> list[TopicPartition]:
    return [TopicPartition(each.topic, each.partition, each.next) for each in advances]
