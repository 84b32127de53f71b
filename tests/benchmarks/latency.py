"""From a payment failure to its alert and to its row, and from a command about its case to the answer in the database,
while usage flows at half of what the worker can do."""

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
from sqlalchemy import Engine, Select, create_engine, select

from schemas.codec.encode import Encoder, RecordDecoder, TickEncoder
from schemas.commands import command
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS, TICK_KEY, TOPICS
from sinks.database.tables import alert_commands, alerts, cases
from tests.benchmarks import broker
from tests.benchmarks.process import ROOT, MeasurementError, measure
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ChildProcess

FAILURES_PER_S = 25
COMMANDS_PER_S = 20
WARM_UP_S = 5.0
_LOOK_S = 0.02
_READY_S = 60.0
_SETTLE_S = 15.0
Look = Callable[[], list[str]]
"""Tells the invoices or commands that it sees; those told before do not matter."""


class Watch(threading.Thread):
    """Notes when an invoice or a command is first seen."""

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
                for name in found:
                    self.seen.setdefault(name, now_s)
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
        engine = create_engine(database_url)
        stack.callback(engine.dispose)
        invoices = select(alerts.c.dimension).where(alerts.c.kind == "payment_failed")
        table = stack.enter_context(_watching(_table_look(engine, invoices)))
        answered = select(alert_commands.c.command_id).where(alert_commands.c.result == "applied")
        answers = stack.enter_context(_watching(_table_look(engine, answered)))
        said = stack.enter_context(_watching(_commands(engine, bootstrap)))
        flown = measure(
            "flow:flow",
            seconds * 3 + 120,
            bootstrap=bootstrap,
            rate=rate,
            seconds=seconds,
            failures_per_s=FAILURES_PER_S,
            accounts=accounts,
        )
        said.end()
        _settle(flown["sent"], topic, table)
        _settle(said.seen, answers)
    result = {"rate": flown["rate"], "late_s": flown["late_s"]}
    for name, sent, watch in (
        ("alert", flown["sent"], topic), ("row", flown["sent"], table), ("command", said.seen, answers),
    ):  # fmt: skip
        result |= _delays(name, sent, watch)
    return result


def _open_the_day(bootstrap: str) -> None:
    """A tick in every partition, as if all topics had been in use: else records wait until idle ones are ticked."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 3})
    tick = TickEncoder(FileRegistry()).encode(int(time.time() * 1000), "benchmarks")
    for topic in INPUT_TOPICS:
        for partition in range(broker.PARTITIONS):
            producer.produce(topic, tick, TICK_KEY, partition)
    producer.flush(30)


def _delays(name: str, sent: Mapping[str, float], watch: Watch) -> dict[str, Any]:
    begin_s = min(sent.values()) + WARM_UP_S
    counted = [each for each, at_s in sent.items() if at_s >= begin_s]
    delays = [watch.seen[each] - sent[each] for each in counted if each in watch.seen]
    result: dict[str, Any] = {f"{name}_count": len(counted), f"{name}_missing": len(counted) - len(delays)}
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


def _table_look(engine: Engine, query: Select[Any]) -> Look:
    """What has a row."""

    def look() -> list[str]:
        time.sleep(_LOOK_S)
        with engine.connect() as connection:
            return list(connection.execute(query).scalars())

    return look


def _commands(engine: Engine, bootstrap: str) -> Look:
    """Acknowledges cases as they appear in the database, one at each look; tells the commands that it has sent."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 0, "log_level": 3}
    )
    encode = Encoder(TOPICS["alert.commands"], FileRegistry()).encode
    done: set[str] = set()

    def look() -> list[str]:
        time.sleep(1.0 / COMMANDS_PER_S)
        with engine.connect() as connection:
            found = connection.execute(select(cases.c.case_id, cases.c.account_id)).all()
        for case_id, account_id in found:
            if case_id not in done:
                done.add(case_id)
                said = command(
                    account_id=account_id, action="acknowledge", author="bench", case_id=case_id,
                    issued_at=int(time.time() * 1000),
                )  # fmt: skip
                producer.produce("alert.commands", encode(said), account_id.encode())
                producer.poll(0)
                return [said["command_id"]]
        return []

    return look


def _bare_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("FORESHOCK_")}
