"""A delivery that runs in a thread, and a producer of output records on the embedded broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Producer

from agents.delivery.loop import Deliver, DeliverConfig
from agents.delivery.reader import record_decoder
from pipeline.terms.records import DeadLetter
from schemas.codec.encode import Encoder
from schemas.registry.source import FileRegistry
from schemas.topics import TOPICS
from sinks.database.sink import DatabaseSink
from sinks.delivery import PROJECTIONS
from sinks.metrics import Metrics
from tests.support.patience import patience

QUICK = {
    "session.timeout.ms": 6_000,
    "heartbeat.interval.ms": 500,
    "fetch.wait.max.ms": 20,
    "reconnect.backoff.max.ms": 200,
    "topic.metadata.refresh.interval.ms": 500,
}


def send(bootstrap: str, topic: str, values: Iterable[Mapping[str, Any] | bytes | None]) -> None:
    """Produce records, keyed by account; bytes and None go as they are. Returns when all are acknowledged."""
    encoder = Encoder(TOPICS[topic], FileRegistry())
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "partitioner": "murmur2_random"})
    for value in values:
        if isinstance(value, Mapping):
            producer.produce(topic, encoder.encode(value), str(value["account_id"]).encode())
        else:
            producer.produce(topic, value, b"raw")
        producer.poll(0)
    assert producer.flush(patience(30)) == 0


@dataclass
class Running:
    """What a test looks at while a delivery runs."""

    deliver: Deliver
    metrics: Metrics
    dead_letters: list[DeadLetter] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def delivering(
    bootstrap: str,
    url: str,
    *,
    failpoint: Callable[[str], None] = lambda _name: None,
    timeout_s: float = 2.0,
    cluster: str = "",
    **changes: Any,
) -> Iterator[Running]:
    """Run a delivery until the block ends, which ends it in good order."""
    config = DeliverConfig({"bootstrap.servers": bootstrap, **QUICK}, longest_backoff_s=1.0, **changes)
    sink = DatabaseSink(url, cluster=cluster, timeout_s=timeout_s, before_commit=lambda: failpoint("sink_in_txn"))
    metrics = Metrics()
    letters: list[DeadLetter] = []
    decode = record_decoder(FileRegistry(), PROJECTIONS)
    deliver = Deliver(config, sink, decode, letters.append, metrics, failpoint=failpoint)
    running = Running(deliver, metrics, letters)

    def run() -> None:
        try:
            deliver.run()
        except BaseException as error:
            running.errors.append(error)

    thread = threading.Thread(target=run, name="deliver")
    thread.start()
    try:
        yield running
    finally:
        deliver.stop()
        thread.join(patience(60))
        sink.close()
    assert not thread.is_alive()
