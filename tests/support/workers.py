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
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, Producer, TopicPartition

from agents.process.failpoints import VARIABLE
from tests.servers.kafka import KafkaServer
from tests.support.patience import ended, patience, wait_until
from tests.support.repository import ROOT
from tests.support.standin import CountingFeed, CountingLoader
from tests.support.topics import ASK_S, delete_topics, records

TOPICS = ("usage.events", "billing.events")
OUTPUTS = ("alerts.health", "dead.letters", "fleet.days", "ledger")
ALERT_EVERY = 10
PARTITIONS = 4
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

    def terminate(self) -> int:
        self._process.terminate()
        return self.wait()

    def wait(self, seconds: float = 60.0) -> int:
        return ended(self._process, seconds)

    def output(self) -> str:
        return self.log.read_text()

    def wait_until_running(self) -> None:
        """Wait until it has recovered some partitions."""
        self.wait_until_told(" stale; kept")

    def wait_until_told(self, text: str) -> None:
        """Wait until its log has a text."""
        wait_until(lambda: text in self.output(), f"a worker to say {text!r}", meanwhile=self.alive)

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
        assert self._producer.flush(patience(30)) == 0

    def run(self, seconds: float, count: int) -> None:
        """Send so many records again and again."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            self.send(count)
            time.sleep(0.05)

    def send_raw(self, topic: str, key: bytes | None, value: bytes | None, partition: int = -1) -> None:
        self._producer.produce(topic, value, key, partition)
        assert self._producer.flush(patience(30)) == 0


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
    bootstrap: str, group: str, expected: Counter[tuple[str, str]], seconds: float = 60.0
) -> dict[int, CountingFeed]:
    """Wait until as many records as expected are durable; returns the state then."""

    def durable() -> dict[int, CountingFeed]:
        feeds = recovered(bootstrap, group)
        return feeds if counts(feeds).total() >= expected.total() else {}

    return wait_until(durable, f"{expected.total()} records to be counted", seconds) if expected else {}


def check(bootstrap: str, group: str, source: Source) -> None:
    """Every record counted once, every alert there, and the same id always with the same bytes."""
    assert counts(await_counts(bootstrap, group, source.sent, 90.0)) == source.sent
    ids, bodies = alerts(bootstrap)
    assert ids == expected_alerts(source.sent)
    assert all(len(different) == 1 for different in bodies.values())


def fresh_topics(server: KafkaServer, group: str) -> str:
    """Delete what earlier tests left, create what a worker needs; the bootstrap address."""
    delete_topics(server.bootstrap)
    server.create_topics([*TOPICS, *OUTPUTS], partitions=PARTITIONS)
    server.create_topics([f"{group}-state-changelog"], partitions=PARTITIONS, config={"cleanup.policy": "compact"})
    return server.bootstrap


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
        return {(tp.topic, tp.partition): tp.offset for tp in consumer.committed(wanted, timeout=patience(ASK_S))}
    finally:
        consumer.close()
