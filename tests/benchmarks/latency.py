"""From a payment failure to its alert and to its row, while usage flows at half of what the worker can do."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition
from sqlalchemy import create_engine, select

from schemas.codec.encode import RecordDecoder, TickEncoder
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS, TICK_KEY
from sinks.database.tables import alerts
from tests.benchmarks import broker
from tests.benchmarks.process import ROOT, MeasurementError, measure
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ChildProcess

FAILURES_PER_S = 25
WARM_UP_S = 5.0
_LOOK_S = 0.02
_READY_S = 60.0
_SETTLE_S = 15.0
Look = Callable[[], list[str]]
"""Tells the invoices that it sees; those told before do not matter."""


class Watch(threading.Thread):
    """Notes when an invoice is first seen."""

    def __init__(self, look: Look) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, float] = {}
        self.failure: Exception | None = None
        self._look = look
        self._end = threading.Event()

    def run(self) -> None:
        """Look until told to end."""
        try:
            while not self._end.is_set():
                found = self._look()
                now_s = time.time()
                for invoice in found:
                    self.seen.setdefault(invoice, now_s)
        except Exception as error:  # reported by the thread that waits for it
            self.failure = error

    def end(self) -> None:
        """Stop looking."""
        self._end.set()
        self.join(10)
        if self.failure is not None:
            raise self.failure


def run(bootstrap: str, rate: float, seconds: float, accounts: int, database_url: str) -> dict[str, Any]:
    """Worker, delivery, flow and watches together; returns delays in seconds."""
    group = broker.new_group(bootstrap)
    variables = broker.environment(bootstrap, group, FORESHOCK_DATABASE__URL=database_url, FORESHOCK_TIME__CLOCK="wall")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-latency-")))
        foreshock(variables, "db", "upgrade")
        _open_the_day(bootstrap)
        for name in ("worker", "deliver"):
            stack.enter_context(_running(name, variables, folder))
        topic = stack.enter_context(_watching(stack.enter_context(_topic_look(bootstrap))))
        table = stack.enter_context(_watching(stack.enter_context(_table_look(database_url))))
        flown = measure(
            "flow:flow",
            seconds * 3 + 120,
            bootstrap=bootstrap,
            rate=rate,
            seconds=seconds,
            failures_per_s=FAILURES_PER_S,
            accounts=accounts,
        )
        _settle(flown["sent"], topic, table)
    return _delays(flown, topic, table)


def _open_the_day(bootstrap: str) -> None:
    """A tick in every partition, as if all topics had been in use: else records wait until idle ones are ticked."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 3})
    tick = TickEncoder(FileRegistry()).encode(int(time.time() * 1000), "benchmarks")
    for topic in INPUT_TOPICS:
        for partition in range(broker.PARTITIONS):
            producer.produce(topic, tick, TICK_KEY, partition)
    producer.flush(30)


def _delays(flown: Mapping[str, Any], topic: Watch, table: Watch) -> dict[str, Any]:
    sent: dict[str, float] = flown["sent"]
    begin_s = min(sent.values()) + WARM_UP_S
    counted = [invoice for invoice, at_s in sent.items() if at_s >= begin_s]
    result: dict[str, Any] = {"rate": flown["rate"], "late_s": flown["late_s"], "failures": len(counted)}
    for name, watch in (("alert", topic), ("row", table)):
        delays = [watch.seen[invoice] - sent[invoice] for invoice in counted if invoice in watch.seen]
        result[f"{name}_missing"] = len(counted) - len(delays)
        if delays:
            result[f"{name}_p50_s"], result[f"{name}_p99_s"] = np.percentile(delays, [50, 99]).tolist()
            result[f"{name}_max_s"] = max(delays)
    return result


def _settle(sent: Mapping[str, float], *watches: Watch) -> None:
    deadline = time.monotonic() + _SETTLE_S
    while time.monotonic() < deadline and any(sent.keys() - watch.seen.keys() for watch in watches):
        time.sleep(0.1)


def foreshock(variables: Mapping[str, str], *arguments: str) -> None:
    """Run a command of the product to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "agents", *arguments],
        cwd=ROOT, env={**_bare_environment(), **variables}, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    if done.returncode:
        message = f"foreshock {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}"
        raise MeasurementError(message)


@contextmanager
def _running(command: str, variables: Mapping[str, str], folder: Path) -> Iterator[None]:
    """A long-running process of the product, from ready to stopped."""
    port = free_port()
    environment = {**variables, "FORESHOCK_METRICS__PORT": str(port)}
    process = ChildProcess(command, [sys.executable, "-m", "agents", command], folder, env=environment)
    process.start()
    try:
        process.wait_ready(lambda: _is_ready(port), _READY_S)
        yield
        if not process.running:
            message = f"foreshock {command} ended: {process.log_tail()}"
            raise MeasurementError(message)
    finally:
        process.stop(30)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://{LOOPBACK}:{port}/-/ready", timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@contextmanager
def _watching(look: Look) -> Iterator[Watch]:
    watch = Watch(look)
    watch.start()
    try:
        yield watch
    finally:
        watch.end()


@contextmanager
def _topic_look(bootstrap: str) -> Iterator[Look]:
    """Invoices of the alerts that arrive in the topic from now on."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-latency",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
            "log_level": 3,
        }
    )
    partitions = range(broker.PARTITIONS)
    consumer.assign([TopicPartition("alerts.health", number, OFFSET_END) for number in partitions])
    consumer.poll(2.0)
    decoder = RecordDecoder("alert", FileRegistry())

    def look() -> list[str]:
        messages = consumer.consume(100, _LOOK_S)
        records = [decoder.decode(message.value() or b"") for message in messages]
        return [record["dimension"] for record in records if record["kind"] == "payment_failed"]

    try:
        yield look
    finally:
        consumer.close()


@contextmanager
def _table_look(database_url: str) -> Iterator[Look]:
    """Invoices that have a row."""
    engine = create_engine(database_url)
    query = select(alerts.c.dimension).where(alerts.c.kind == "payment_failed")

    def look() -> list[str]:
        time.sleep(_LOOK_S)
        with engine.connect() as connection:
            return list(connection.execute(query).scalars())

    try:
        yield look
    finally:
        engine.dispose()


def _bare_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("FORESHOCK_")}
