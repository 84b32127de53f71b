"""The client by which a product emits events, and all that it shares with its awaitable form."""

from __future__ import annotations

import atexit
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event as Signal
from threading import RLock, Thread
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, Unpack

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.client.events import TOPIC_OF, EventWriter, Made, pseudonyms
from schemas.client.fields import Billing, Profile, Signals, Ticket, Usage
from schemas.client.spool import Event, Spool
from schemas.errors import ForeshockError, UsageError
from schemas.registry.source import FileRegistry, SchemaRegistry
from schemas.topics import PRODUCER

Answer = TypeVar("Answer")
"""The id of an event, or what is awaited for it."""
WhenFull = Literal["block", "drop", "raise"]
_SCHEME = "kafka://"
_MESSAGE_BYTES = 512
"""What librdkafka needs for a message besides its content, at most."""
_POLL_S = 0.05
_PAUSE_S = 0.01
_REPEAT_S = 60.0
_AWAY = {"_MSG_TIMED_OUT", "_TIMED_OUT", "_TRANSPORT", "_ALL_BROKERS_DOWN", "_PURGE_QUEUE", "_PURGE_INFLIGHT", "_FATAL"}
"""What may be over later; anything else says that the event itself, its topic or our rights are wrong."""
_log = logging.getLogger("foreshock.client")


class FullError(ForeshockError):
    """Neither memory nor spool had room for an event, which was not taken."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An event that was taken and will not arrive."""

    topic: str
    fields: Mapping[str, Any]
    reason: str


@dataclass(slots=True)
class Counters:
    """Events of a client since it was made."""

    sent: int = 0
    """Taken: in memory, in the spool, or further."""
    acknowledged: int = 0
    """In the topic on all replicas, those that an earlier process had spooled among them."""
    failed: int = 0
    """Taken and lost; each was reported."""
    spooled: int = 0
    """Written to the spool, whatever became of them then."""
    dropped: int = 0
    """Not taken, because there was no room."""


class Client(ABC, Generic[Answer]):
    """What clients share: a method for each sort of event, which takes it and answers with its id.

    Safe for threads; a process that forks makes its own.

    Args:
        url: `kafka://` and brokers, separated by commas.
        kafka: further librdkafka settings: `security.protocol`, `sasl.password` and the like.
        when_full: of an event for which there is no room: wait for so long as `block_s` and then raise, drop and count
            it, or raise at once.
        block_s: seconds.
        memory_bytes: of events on their way, at most.
        delivery_s: for so long an event waits for brokers in memory; then it is spooled or has failed.
        spool: a file for events that find no broker; the next client that has it sends them first.
        spool_bytes: its size at most.
        pseudonymise: user ids leave as HMAC-SHA256 under the key in the variable FORESHOCK_PSEUDONYM_KEY.
        on_undelivered: is told of every event that was taken and failed, in a thread of the client.
        registry: has the schema ids, where the workers have a registry; else those of the package are used.

    Raises:
        UsageError: an argument cannot be used.
        EventError: from the methods: the event would be dead-lettered.
        FullError: the same: there is no room for it.
    """

    def __init__(
        self,
        url: str,
        *,
        kafka: Mapping[str, Any] | None = None,
        when_full: WhenFull = "block",
        block_s: float = 10.0,
        memory_bytes: int = 64 * 2**20,
        delivery_s: float = 30.0,
        spool: str | os.PathLike[str] | None = None,
        spool_bytes: int = 256 * 2**20,
        pseudonymise: bool = False,
        on_undelivered: Callable[[Undelivered], object] | None = None,
        registry: SchemaRegistry | None = None,
    ) -> None:
        if not url.startswith(_SCHEME) or when_full not in ("block", "drop", "raise"):
            msg = f"url is {_SCHEME}broker:9092, when_full block, drop or raise; not {url}, {when_full}"
            raise UsageError(msg)
        taken = sorted(PRODUCER.keys() & (kafka or {}).keys())
        if taken:
            msg = f"{', '.join(taken)}: the workers count on these as they are; leave them out"
            raise UsageError(msg)
        self.counters = Counters()
        self._when_full, self._block_s = when_full, block_s
        self._on_undelivered = on_undelivered
        pseudonym = pseudonyms() if pseudonymise else None
        self._writers = {name: EventWriter(name, registry or FileRegistry(), pseudonym) for name in TOPIC_OF}
        self._of_topic = {TOPIC_OF[name]: writer for name, writer in self._writers.items()}
        self._settings: dict[str, Any] = {
            **PRODUCER,
            "log_level": 2,
            "log.connection.close": False,
            "allow.auto.create.topics": False,
            "queue.buffering.max.kbytes": max(memory_bytes // 2 // 1024, 1),
            "queue.buffering.max.messages": max(memory_bytes // 2 // _MESSAGE_BYTES, 1),
            "message.timeout.ms": int(delivery_s * 1000),
            **(kafka or {}),
            "bootstrap.servers": url.removeprefix(_SCHEME),
            "on_delivery": self._delivered,
            "error_cb": self._complain,
        }
        self._spool = None if spool is None else Spool(Path(spool), spool_bytes)
        self._carried = 0 if self._spool is None else self._spool.waiting
        self._lock = RLock()
        self._said_at: dict[str, float] = {}
        self._is_broken = False
        self._closing, self._stopped = Signal(), False
        self._pid = os.getpid()
        self._producer = Producer(self._settings)
        self._thread = Thread(target=self._run, name="foreshock-client", daemon=True)
        self._thread.start()
        atexit.register(self._close)

    # Events in.

    def usage(self, **fields: Unpack[Usage]) -> Answer:
        """Somebody used a feature."""
        return self._emit("usage", fields)

    def billing(self, **fields: Unpack[Billing]) -> Answer:
        """A subscription, an invoice or a payment changed."""
        return self._emit("billing", fields)

    def ticket(self, **fields: Unpack[Ticket]) -> Answer:
        """A support ticket changed."""
        return self._emit("ticket", fields)

    def signal(self, **fields: Unpack[Signals]) -> Answer:
        """People learned something about a customer."""
        return self._emit("signal", fields)

    def profile(self, **fields: Unpack[Profile]) -> Answer:
        """All that is known of an account; what is left out is empty from now on."""
        return self._emit("profile", fields)

    @abstractmethod
    def _emit(self, method: str, fields: Mapping[str, Any]) -> Answer:
        """Take an event, when there is room; its id, empty of a profile."""

    def _made(self, method: str, fields: Mapping[str, Any]) -> Made:
        return self._writers[method].write(fields, time.time_ns() // 1_000_000)

    def _attempts(self, event: Event) -> Iterator[float]:
        """Take an event; seconds to wait are given out as long as there is no room."""
        until = time.monotonic() + self._block_s
        while not self._take(event):
            if self._when_full == "drop":
                with self._lock:
                    self.counters.dropped += 1
                return
            if self._when_full == "raise" or time.monotonic() > until:
                msg = "there is no room for the event: brokers are away or too slow; see when_full, memory_bytes, spool"
                raise FullError(msg)
            yield _PAUSE_S

    def _take(self, event: Event) -> bool:
        if os.getpid() != self._pid:
            msg = "this client was made before the process forked: make one in each process"
            raise UsageError(msg)
        with self._lock:
            if self._closing.is_set():
                msg = "the client is closed: emit within its block"
                raise UsageError(msg)
            # Behind what is spooled, so that the order stays.
            is_first = self._spool is None or not self._spool.waiting
            taken = (is_first and self._produce(event, partial(self._settle, event))) or self._spooled(event)
            self.counters.sent += taken
            return taken

    def _spooled(self, event: Event) -> bool:
        with self._lock:
            if self._spool is None or not self._spool.append(event):
                return False
            self.counters.spooled += 1
            return True

    # What becomes of them, in a thread of its own: nobody else polls.

    def _run(self) -> None:
        while not self._stopped:
            self._poll()
            if self._is_broken:
                self._renew()
            if self._spool is not None and self._spool.waiting and not self._closing.is_set():
                self._drain(self._spool)

    def _poll(self) -> None:
        self._producer.poll(_POLL_S)
        if self._spool is not None:
            self._spool.sync()

    def _drain(self, spool: Spool) -> None:
        """Send the oldest spooled events; they are forgotten when all of them have arrived, or have failed for good."""
        with self._lock:
            events, end = spool.read()
        waiting = dict(enumerate(events))
        while waiting and not self._closing.is_set() and not self._is_broken:
            open_ = set(waiting)
            for place, event in tuple(waiting.items()):
                done = partial(self._drained, waiting, open_, place)
                while not (self._produce(event, done, on_delivery=done) or self._is_broken):
                    self._poll()
            while open_ and not self._is_broken:
                self._poll()
        if not waiting:
            with self._lock:
                spool.forget(len(events), end)

    def _drained(
        self, waiting: dict[int, Event], open_: set[int], place: int, error: KafkaError | None, _: object = None
    ) -> None:
        open_.discard(place)
        if error is None or error.name() not in _AWAY:
            self._settle(waiting.pop(place), error)

    def _produce(self, event: Event, failed: Callable[[KafkaError], object], **options: Any) -> bool:
        """Whether memory had room; what can never be produced has `failed`."""
        try:
            self._producer.produce(event.topic, event.value, event.key, **options)
        except BufferError:
            return False
        except KafkaException as error:
            failure: KafkaError = error.args[0]
            if failure.fatal():
                return False
            failed(failure)
        return True

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.counters.acknowledged += 1
            return
        event = Event(message.topic() or "", message.key() or b"", message.value() or b"")
        if error.name() not in _AWAY or not self._spooled(event):
            self._settle(event, error)

    def _settle(self, event: Event, error: KafkaError | None) -> None:
        """The end of an event's way."""
        with self._lock:
            self.counters.acknowledged += error is None
            self.counters.failed += error is not None
        if error is None:
            return
        self._say(f"an event was not delivered to {event.topic}: {error.str()}")
        if self._on_undelivered is not None:
            fields = self._of_topic[event.topic].read(event.value)
            try:
                self._on_undelivered(Undelivered(event.topic, fields, error.str()))
            except Exception:
                _log.exception("on_undelivered failed")

    def _complain(self, error: KafkaError) -> None:
        self._is_broken |= error.fatal()
        self._say(error.str())

    def _say(self, text: str) -> None:
        now = time.monotonic()
        if now - self._said_at.get(text, -_REPEAT_S) >= _REPEAT_S:
            self._said_at[text] = now
            _log.warning("%s", text)

    def _renew(self) -> None:
        """A producer that can send no more is replaced; what it holds is spooled, or has failed."""
        with self._lock:
            while len(self._producer):
                self._producer.purge()
                self._producer.poll(_POLL_S)
            self._producer, self._is_broken = Producer(self._settings), False

    # The end.

    @property
    def waiting(self) -> int:
        """Events that were taken and are neither acknowledged nor failed."""
        return self._carried + self.counters.sent - self.counters.acknowledged - self.counters.failed

    def _left(self, timeout_s: float) -> Iterator[float]:
        """Seconds to wait are given out until nothing waits, or the time is over."""
        until = time.monotonic() + timeout_s
        while self.waiting and time.monotonic() < until:
            yield _PAUSE_S

    def _close(self) -> int:
        """Stop; how many events were not delivered."""
        atexit.unregister(self._close)
        if self._closing.is_set() or os.getpid() != self._pid:
            return 0
        with self._lock:
            self._closing.set()
        while len(self._producer):
            self._producer.purge()
            time.sleep(_PAUSE_S)
        self._stopped = True
        self._thread.join()
        if self._spool is not None:
            self._spool.close()
        if self.counters.failed or self.waiting:
            _log.warning("%d events were not delivered, %d are in the spool", self.counters.failed, self.waiting)
        return self.counters.failed + self.waiting


class EventClient(Client[str]):
    """Emits events. See `Client` for arguments, methods and errors."""

    def flush(self, timeout_s: float = 30.0) -> int:
        """Wait until all is acknowledged; how many events are not yet."""
        for pause_s in self._left(timeout_s):
            time.sleep(pause_s)
        return self.waiting

    def close(self, timeout_s: float = 30.0) -> int:
        """Flush and stop; how many events were not delivered: they have failed or are in the spool."""
        self.flush(timeout_s)
        return self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _emit(self, method: str, fields: Mapping[str, Any]) -> str:
        made = self._made(method, fields)
        for pause_s in self._attempts(made.event):
            time.sleep(pause_s)
        return made.event_id
