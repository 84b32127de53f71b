"""Following the fleet updates of all partitions: every worker reads the whole topic, in no group."""
# ruff: noqa: SLF001 - librdkafka's own error codes begin with an underscore

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from threading import Lock

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from agents.kafka import clients as kafka
from agents.kafka.brokers import Complaints
from agents.settings.worker import WorkerConfig
from pipeline.terms.fleet_day import FleetDay

logger = logging.getLogger(__name__)

_POLL_S = 0.2
_CHUNK = 200
_EMBEDDED_WAIT_MS = 10
"""The embedded broker answers a fetch only after this time, even when a record comes meanwhile."""
_LASTING = (KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION, KafkaError._AUTO_OFFSET_RESET)

Decode = Callable[[bytes], FleetDay | None]
"""A record's value to what it says; nothing for one that is not ours."""
Hear = Callable[[Sequence[FleetDay], bool], Awaitable[bool]]
"""Told the next records, and whether the log begins with them; answers whether to begin again."""


class FleetTail:
    """Reads the topic from its beginning and goes on as it grows; keeps nothing of what it has read.

    A partition that comes must know all records, so for its sake the topic is read once more; the others ignore what
    they know.
    """

    def __init__(self, config: WorkerConfig, topic: str, decode: Decode) -> None:
        wait_ms = {"fetch.wait.max.ms": _EMBEDDED_WAIT_MS} if config.embedded else {}
        self._reading = Lock()
        self._closed = False
        self._topic = topic
        self._decode = decode
        self._complain = Complaints(logger, "fleet updates")
        self._consumer = Consumer(kafka.reader(config) | wait_ms | {"error_cb": self._complain}, logger=logger)

    async def run(self, hear: Hear) -> None:
        """Read for ever. Raises KafkaException when the topic cannot be read any more, and what `hear` raises."""
        try:
            while True:
                self._consumer.assign([TopicPartition(self._topic, 0, OFFSET_BEGINNING)])
                again = await hear(await asyncio.to_thread(self._read), True)
                while not again:
                    again = await hear(await asyncio.to_thread(self._read), False)
        finally:
            self._close()

    def _close(self) -> None:
        with self._reading:
            self._closed = True
            self._consumer.close()

    def _read(self) -> list[FleetDay]:
        with self._reading:
            first = None if self._closed else self._consumer.poll(_POLL_S)
            messages = [] if first is None else [first, *self._consumer.consume(_CHUNK, 0.0)]
        return [record for message in messages if (record := self._take(message)) is not None]

    def _take(self, message: Message[bytes, bytes]) -> FleetDay | None:
        error, value = message.error(), message.value()
        if error is None:
            return None if value is None else self._decode(value)
        if error.code() in _LASTING:
            raise KafkaException(error)
        if error.code() != KafkaError._PARTITION_EOF:
            self._complain(error)
        return None
