"""Publishing with acknowledgement: produce now, learn later that all of it is durable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from agents.kafka import clients
from agents.settings.worker import WorkerConfig
from pipeline.changelog.records import Entry
from schemas.errors import BrokenError

logger = logging.getLogger(__name__)

_POLL_S = 0.1
_FULL_WAIT_S = 0.02
_CHUNK = 2_000


Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Message:
    """A record to publish."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = field(default_factory=list)
    partition: int = -1
    """-1: by murmur2 of the key."""
    timestamp_ms: int = 0
    """Of a record with headers; 0: now."""


class PublishError(BrokenError):
    """The broker did not acknowledge a record."""


class InFlight:
    """Records that were sent and are to be acknowledged together."""

    def __init__(self, note: Callable[[Any], object] | None = None) -> None:
        """`note` is given every message that was acknowledged, in the poll thread."""
        self._note = note
        self.sent = 0
        self.busy_s = 0.0
        """Time that handing the records over has taken from other work."""
        self._answered = 0
        self._failure: KafkaError | None = None
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    @property
    def answered(self) -> bool:
        """Whether every record has its answer, good or bad."""
        return self._answered >= self.sent

    def delivered(self, error: KafkaError | None, message: Any) -> None:
        """Delivery report, called in the poll thread."""
        if error is not None:
            self._failure = self._failure or error
        elif self._note is not None:
            self._note(message)
        self._answered += 1
        # Read after the count is raised; `wait` sets the waiter before it reads the count.
        waiter = self._waiter
        if waiter is not None and self._answered >= self.sent:
            loop, event = waiter
            loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        """Wait until the broker has acknowledged all of it; nothing may be added any more.

        Raises:
            PublishError: a record was not acknowledged.
        """
        event = asyncio.Event()
        self._waiter = (asyncio.get_running_loop(), event)
        if not self.answered:
            await event.wait()
        if self._failure is not None:
            message = f"a record was not acknowledged: {self._failure}"
            raise PublishError(message)


class Publisher:
    """Idempotent producers for outputs and for state, with threads that serve their delivery reports.

    State has a connection of its own: an alert must not wait behind the megabytes of a checkpoint.
    """

    def __init__(self, config: WorkerConfig) -> None:
        self._errors: list[KafkaError] = []
        self._complain = clients.Complaints(logger, "producer")
        client = clients.of_worker(config) | {"delivery.timeout.ms": config.delivery_timeout_ms}
        self._outputs, self._state = (
            clients.producer(client, "outputs", logger=logger, on_error=self._on_error) for _ in range(2)
        )
        self._in_flight = InFlight()
        self._stop = Event()
        self._threads = [
            Thread(target=self._poll, args=(producer,), name=name, daemon=True)
            for name, producer in (("outputs", self._outputs), ("state", self._state))
        ]
        for thread in self._threads:
            thread.start()

    def take(self) -> InFlight:
        """All outputs that were produced since this was last called."""
        taken, self._in_flight = self._in_flight, InFlight()
        return taken

    async def publish(self, messages: Iterable[Message]) -> None:
        """Produce; returns before the broker has acknowledged. Raises PublishError, KafkaException."""
        for count, message in enumerate(messages, 1):
            while not self._produce(message):
                await asyncio.sleep(_FULL_WAIT_S)
            if count % _CHUNK == 0:
                # The close of a day may publish a record for every account.
                await asyncio.sleep(0)

    async def publish_entries(self, topic: str, partition: int, entries: list[Entry]) -> InFlight:
        """Produce key-value pairs to one partition, in order, apart from the outputs."""
        in_flight = InFlight()
        for start in range(0, len(entries), _CHUNK):
            began_at = monotonic()
            for key, value in entries[start : start + _CHUNK]:
                while not self._send(self._state, in_flight, topic, key, value, [], partition):
                    await asyncio.sleep(_FULL_WAIT_S)
            in_flight.busy_s += monotonic() - began_at
            await asyncio.sleep(0)
        return in_flight

    async def claim(self, topic: str, partitions: Iterable[int], key: bytes) -> dict[int, int]:
        """Append an empty record to each partition and return the offsets they got.

        Raises:
            PublishError: the broker did not acknowledge one of them.
        """
        offsets: dict[int, int] = {}
        in_flight = InFlight(lambda message: offsets.__setitem__(message.partition(), message.offset()))
        for partition in partitions:
            while not self._send(self._state, in_flight, topic, key, b"", [], partition):
                await asyncio.sleep(_FULL_WAIT_S)
        await in_flight.wait()
        return offsets

    def close(self, timeout_s: float) -> int:
        """Wait for what is on its way, then stop; returns how many records were given up."""
        left = sum(int(producer.flush(timeout_s)) for producer in (self._outputs, self._state))
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5 * _POLL_S)
        return left

    def _produce(self, message: Message) -> bool:
        topic, key, value, headers = message.topic, message.key, message.value, message.headers
        at_ms, in_flight = message.timestamp_ms, self._in_flight
        return self._send(self._outputs, in_flight, topic, key, value, headers, message.partition, at_ms)

    def _send(
        self,
        producer: Producer,
        in_flight: InFlight,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        partition: int,
        at_ms: int = 0,
    ) -> bool:
        if self._errors:
            message = f"the producer cannot go on: {self._errors[0]}"
            raise PublishError(message)
        in_flight.sent += 1
        try:
            if headers:
                report = in_flight.delivered
                producer.produce(topic, value, key, partition, report, headers=headers, timestamp=at_ms)
            else:
                producer.produce(topic, value, key, partition, in_flight.delivered)
        except BufferError:
            in_flight.sent -= 1
            return False
        return True

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._errors.append(error)
        self._complain(error)

    def _poll(self, producer: Producer) -> None:
        while not self._stop.is_set():
            try:
                producer.poll(_POLL_S)
            except KafkaException as error:
                self._errors.append(error.args[0])
