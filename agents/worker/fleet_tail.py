"""Following the fleet updates of all partitions: every worker reads the whole topic, in no group."""
# ruff: noqa: SLF001 - librdkafka's own error codes begin with an underscore

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from threading import Lock
from time import sleep

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

from agents.kafka import clients
from agents.settings.worker import WorkerConfig
from agents.worker.serde import FLEET_DAYS
from pipeline.terms.fleet_day import FleetDay
from schemas.errors import RegistryUnavailableError

logger = logging.getLogger(__name__)

_POLL_S = 0.2
_ASK_AGAIN_S = 1.0
_CHUNK = 1_000
_EMBEDDED_WAIT_MS = 10
"""The embedded broker answers a fetch only after this time, even when a record comes meanwhile."""
_LASTING = (KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION, KafkaError._AUTO_OFFSET_RESET)

Decode = Callable[[bytes], FleetDay | None]
"""A record's value to what it says; nothing for one that is not ours."""
Take = Callable[[Sequence[FleetDay]], Awaitable[None]]
"""Given all updates so far, again and again."""


class FleetTail:
    """Reads the topic from its beginning and goes on as it grows."""

    def __init__(self, config: WorkerConfig, decode: Decode) -> None:
        self.updates: list[FleetDay] = []
        """In the order of the log; kept because a partition that comes later must know them too."""
        self._reading = Lock()
        self._closed = False
        self._undecoded: deque[Message[bytes, bytes]] = deque()
        self._decode = decode
        self._complain = clients.Complaints(logger, "fleet updates")
        wait_ms = {"fetch.wait.max.ms": _EMBEDDED_WAIT_MS} if config.embedded else {}
        self._consumer = clients.reader(config, logger, self._complain, **wait_ms)

    async def run(self, take: Take) -> None:
        """Read for ever. Raises KafkaException when the topic cannot be read any more, and what `take` raises."""
        self._consumer.assign([TopicPartition(FLEET_DAYS, 0, OFFSET_BEGINNING)])
        try:
            while True:
                self.updates += await asyncio.to_thread(self._read)
                await take(self.updates)
        finally:
            self._close()

    def _close(self) -> None:
        with self._reading:
            self._closed = True
            self._consumer.close()

    def _read(self) -> list[FleetDay]:
        """What has come meanwhile; blocks, for the broker and for a schema."""
        with self._reading:
            first = None if self._closed or self._undecoded else self._consumer.poll(_POLL_S)
            if first is not None:
                self._undecoded += [first, *self._consumer.consume(_CHUNK, 0.0)]
        updates = []
        while self._undecoded:
            try:
                update = self._update(self._undecoded[0])
            except RegistryUnavailableError as error:
                logger.warning("fleet updates wait for a schema: %s", error)
                sleep(_ASK_AGAIN_S)
                break
            self._undecoded.popleft()
            if update is not None:
                updates.append(update)
        return updates

    def _update(self, message: Message[bytes, bytes]) -> FleetDay | None:
        error = message.error()
        if error is not None:
            if error.code() in _LASTING:
                raise KafkaException(error)
            if error.code() != KafkaError._PARTITION_EOF:
                self._complain(error)
            return None
        value = message.value()
        return None if value is None else self._decode(value)
