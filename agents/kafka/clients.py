"""Every Kafka client of this program is made here: what all of them need, and what each purpose adds."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Literal

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient

from agents.settings.worker import WorkerConfig
from schemas.topics import LARGEST_MESSAGE_BYTES, PRODUCER

Client = Mapping[str, Any]
"""librdkafka settings of any client of a cluster: brokers and security; they win over those of a purpose."""
OnError = Callable[[KafkaError], object]

SILENT = 2
"""Of the levels of syslog: librdkafka would log every attempt, twenty in a second."""
_REPEAT_S = 60.0

_CLIENT = {"log.connection.close": False}
_PRODUCER = {**_CLIENT, **PRODUCER, "message.max.bytes": LARGEST_MESSAGE_BYTES}
_CONSUMER = {**_CLIENT, "enable.auto.commit": False, "enable.auto.offset.store": False}

Produced = Literal["outputs", "files", "dead letters", "commands"]
_PRODUCED: Mapping[Produced, Client] = {
    # Alerts, health records and state of a worker.
    "outputs": {"queue.buffering.max.messages": 1_000_000, "queue.buffering.max.kbytes": 64 * 1024},
    # Event files, as fast as brokers take them.
    "files": {
        "queue.buffering.max.kbytes": 256 * 1024,
        "delivery.report.only.error": True,
        "allow.auto.create.topics": False,
    },
    # Into their topic and back.
    "dead letters": {"queue.buffering.max.kbytes": 64 * 1024, "delivery.report.only.error": True},
    # Of people who wait for it.
    "commands": {"linger.ms": 0, "message.timeout.ms": 10_000, "allow.auto.create.topics": False},
}
Consumed = Literal["partitions", "deliveries", "positions"]
_CONSUMED: Mapping[Consumed, Client] = {
    # All that some partitions hold, in no group.
    "partitions": {
        "enable.partition.eof": True,
        "isolation.level": "read_uncommitted",
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 100,
        "fetch.message.max.bytes": 4 * 1024 * 1024,
        "queued.min.messages": 200_000,
        "queued.max.messages.kbytes": 128 * 1024,
    },
    # Output topics, as a member of a group.
    "deliveries": {
        "session.timeout.ms": 45_000,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        # The assignment is set and withdrawn as a whole.
        "partition.assignment.strategy": "range",
        "fetch.wait.max.ms": 100,
        "fetch.message.max.bytes": 4 * 1024 * 1024,
        "queued.max.messages.kbytes": 16 * 1024,
    },
    # No records: only how far a group and the topics are.
    "positions": {},
}


def of_worker(config: WorkerConfig) -> dict[str, Any]:
    """What every client of a worker needs."""
    return {"bootstrap.servers": config.bootstrap, "log_level": SILENT, **config.security}


def producer(
    client: Client, what: Produced, *, logger: logging.Logger | None = None, on_error: OnError | None = None
) -> Producer:
    """A producer; its own messages go to `logger`, its errors to `on_error`."""
    return Producer({**_PRODUCER, **_PRODUCED[what], **client, **_callbacks(logger, on_error)})


def consumer(
    client: Client,
    what: Consumed,
    group: str,
    *,
    logger: logging.Logger | None = None,
    on_error: OnError | None = None,
) -> Consumer:
    """A consumer of this group, which commits nothing unasked; the rest as `producer`."""
    return Consumer({**_CONSUMER, **_CONSUMED[what], **client, "group.id": group, **_callbacks(logger, on_error)})


def reader(config: WorkerConfig, logger: logging.Logger, on_error: OnError | None = None, **settings: int) -> Consumer:
    """A worker's consumer of all that some partitions hold, with further librdkafka settings."""
    group = f"{config.group}-reader"
    return consumer(of_worker(config) | settings, "partitions", group, logger=logger, on_error=on_error)


def admin(client: Client, on_error: OnError | None = None) -> AdminClient:
    """A client that asks and changes what there is; it says nothing but through `on_error`."""
    return AdminClient({**_CLIENT, **client, "log_level": SILENT, **_callbacks(None, on_error)})


def _callbacks(logger: logging.Logger | None, on_error: OnError | None) -> dict[str, Any]:
    given = {"logger": logger, "error_cb": on_error}
    return {name: value for name, value in given.items() if value is not None}


class Complaints:
    """What a client says is wrong, as its `on_error`: each complaint is logged once a minute at most."""

    def __init__(self, logger: logging.Logger, who: str) -> None:
        self._logger = logger
        self._who = who
        self._said_at: dict[str, float] = {}

    def __call__(self, error: KafkaError) -> None:
        """Log it unless that was done lately."""
        text, now = plain(error), monotonic()
        if now - self._said_at.get(text, -_REPEAT_S) >= _REPEAT_S:
            self._said_at[text] = now
            self._logger.warning("%s: %s", self._who, text)


def plain(error: KafkaError) -> str:
    """Its text without what is different each time."""
    return re.sub(r" \(after .*\)$", "", error.str())
