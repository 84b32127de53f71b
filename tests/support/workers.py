"""Worker processes with the counting core, and what they left in the changelog."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from agents.process.failpoints import VARIABLE
from tests.support.standin import CountingFeed, CountingLoader

TOPICS = ("usage.events", "billing.events")
OUTPUTS = ("alerts.health", "dead.letters", "fleet.days", "ledger")
ALERT_EVERY = 10
ROOT = Path(__file__).parents[2]
_QUIET = {"log_level": 0}


class WorkerProcess:
    """One worker in a process of its own; killed at the end of the block."""

    def __init__(
        self, bootstrap: str, group: str, *, failpoint: str | None = None, mode: str = "", **fields: Any
    ) -> None:
        """`mode`: "engine" for the real core, a path for UnsureSerde."""
        config = {"bootstrap": bootstrap, "group": group, "session_timeout_ms": 6_000, **fields}
        if mode == "engine":
            command = [sys.executable, "-m", "agents.worker.process", "--config-json", json.dumps(config)]
        else:
            counting = [sys.executable, "-m", "tests.support.standin_worker"]
            command = [*counting, json.dumps(config), ",".join(TOPICS), *([mode] if mode else [])]
        environment = {**os.environ, **({VARIABLE: failpoint} if failpoint else {})}
        self.log = Path(tempfile.mkstemp(prefix="worker-", suffix=".log")[1])
        with self.log.open("w") as sink:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=sink, stderr=sink)

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def frozen(self) -> bool:
        """Whether it is stopped by a signal."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def kill9(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def terminate(self, timeout_s: float = 30.0) -> int:
        self._process.terminate()
        return self._process.wait(timeout_s)

    def wait(self, timeout_s: float) -> int:
        return self._process.wait(timeout_s)

    def output(self) -> str:
        return self.log.read_text()

    def wait_until_running(self, timeout_s: float = 40.0) -> None:
        """Wait until it has recovered some partitions."""
        deadline = time.monotonic() + timeout_s
        while " stale; kept" not in self.output():
            assert self.alive(), self.output()[-4000:]
            assert time.monotonic() < deadline, self.output()[-4000:]
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.alive():
            self.resume()
            self.kill9()
        if error is not None:
            print(self.output()[-6000:])
        self.log.unlink()


class Source:
    """Produces numbered records for accounts and remembers how many."""

    def __init__(self, bootstrap: str, accounts: int = 37) -> None:
        settings: dict[str, Any] = {"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", **_QUIET}
        self._producer = Producer(settings)
        self._accounts = accounts
        self._next = 0
        self.sent: Counter[tuple[str, str]] = Counter()

    def send(self, count: int, topics: tuple[str, ...] = TOPICS) -> None:
        for _ in range(count):
            topic, account = topics[self._next % len(topics)], f"a{self._next % self._accounts}"
            at_ms = int(time.time() * 1000)
            self._producer.produce(topic, str(at_ms).encode(), account.encode())
            self.sent[account, topic] += 1
            self._next += 1
        assert self._producer.flush(30) == 0

    def send_raw(self, topic: str, key: bytes | None, value: bytes | None, partition: int = -1) -> None:
        self._producer.produce(topic, value, key, partition)
        assert self._producer.flush(30) == 0


def records(bootstrap: str, topic: str, timeout_s: float = 20.0) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Partition, offset, key and value of everything in a topic up to now."""
    settings: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "group.id": "test-reader",
        "enable.auto.commit": False,
        **_QUIET,
    }
    consumer = Consumer(settings)
    try:
        partitions = consumer.list_topics(topic, timeout=timeout_s).topics[topic].partitions
        ends = {}
        for number in partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=timeout_s)
            if high > low:
                ends[number] = high
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in ends])
        while ends:
            message = consumer.poll(timeout_s)
            assert message is not None, (topic, ends)
            if message.error():
                raise KafkaException(message.error())
            number, offset = message.partition() or 0, message.offset() or 0
            if number in ends:
                yield number, offset, message.key() or b"", message.value() or b""
                if offset + 1 >= ends[number]:
                    del ends[number]
    finally:
        consumer.close()


def recovered(bootstrap: str, group: str) -> dict[int, CountingFeed]:
    """The state that the changelog holds now, by partition."""
    loaders: dict[int, CountingLoader] = {}
    for number, offset, key, value in records(bootstrap, f"{group}-state-changelog"):
        loaders.setdefault(number, CountingLoader(number)).add(key, value, offset)
    return {number: loader.finish() for number, loader in loaders.items()}


def counts(feeds: Mapping[int, CountingFeed]) -> Counter[tuple[str, str]]:
    """Records counted, by account and topic."""
    found: Counter[tuple[str, str]] = Counter()
    for feed in feeds.values():
        for key, component in feed.components.items():
            account, _, topic = key.decode().partition("|")
            found[account, topic] += component["n"]
    return found


def await_counts(
    bootstrap: str, group: str, expected: Counter[tuple[str, str]], timeout_s: float = 60.0
) -> dict[int, CountingFeed]:
    """Wait until as many records as expected are durable; returns the state then."""
    deadline = time.monotonic() + timeout_s
    while True:
        feeds = recovered(bootstrap, group)
        found = counts(feeds)
        if found.total() >= expected.total():
            return feeds
        assert time.monotonic() < deadline, f"{found.total()} of {expected.total()} after {timeout_s} s"
        time.sleep(0.5)


def alerts(bootstrap: str) -> tuple[set[str], dict[str, set[bytes]]]:
    """Ids of the alerts published, and the different bodies under each id."""
    bodies: dict[str, set[bytes]] = {}
    for _, _, _, value in records(bootstrap, "alerts.health"):
        bodies.setdefault(json.loads(value)["alert_id"], set()).add(value)
    return set(bodies), bodies


def expected_alerts(sent: Counter[tuple[str, str]]) -> set[str]:
    """Ids of the alerts that these records must raise."""
    return {
        f"{account}|{topic}#{n}"
        for (account, topic), count in sent.items()
        for n in range(ALERT_EVERY, count + 1, ALERT_EVERY)
    }


def committed(bootstrap: str, group: str, partitions: int) -> dict[tuple[str, int], int]:
    """The group's committed offsets."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, **_QUIET})
    try:
        wanted = [TopicPartition(topic, number) for topic in TOPICS for number in range(partitions)]
        return {(tp.topic, tp.partition): tp.offset for tp in consumer.committed(wanted, timeout=20)}
    finally:
        consumer.close()
