"""A deployment on a real Kafka: topics of their own, one worker, and the commands of an operator."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from confluent_kafka import Producer

from agents.replay.dead_letters import Filter, read
from pipeline.changelog.read import Loader
from pipeline.changelog.write import checkpoint
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from schemas.registry.source import FileRegistry
from tests.servers.kafka import KafkaServer
from tests.servers.ports import free_port
from tests.support.commands import FORESHOCK, foreshock, running
from tests.support.pages import scrape, total
from tests.support.patience import ended, patience, wait_until
from tests.support.topics import delete_topics, records

PARTITIONS = 4
_CHANGELOG = "foreshock-state-changelog"
Place = tuple[str, int, int]
Pair = tuple[bytes | None, bytes | None]


class Deployment:
    """Deletes all topics that there are, and begins with its own."""

    def __init__(
        self,
        kafka: KafkaServer,
        folder: Path,
        more: str = "",
        *,
        time: str = 'clock = "events"',
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`more`: further settings; `environment`: further variables, such as secrets."""
        self.bootstrap = kafka.bootstrap
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("FORESHOCK_")
        } | dict(environment or {})
        self.partitions = PARTITIONS
        self.time = time
        self.port = free_port()
        self.config = folder / "foreshock.toml"
        self.log = folder / "worker.log"
        self.use(more)
        delete_topics(self.bootstrap)
        self.run("topics", "apply")

    def use(self, more: str) -> None:
        """Write the settings, with more of them."""
        self.config.write_text(
            f'[kafka]\nbootstrap = "{self.bootstrap}"\nreplication_factor = 1\nsession_timeout_s = 6\n'
            f"[app]\npartitions = {self.partitions}\n"
            f"[time]\n{self.time}\n"
            f"[metrics]\nport = {self.port}\n{more}"
        )

    def run(self, *arguments: str) -> str:
        """Run a command to its good end; what it printed."""
        return foreshock(*arguments, "--config", self.config, env=self._environment, check=True).stdout

    def worker(self, *options: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """A worker."""
        return self._start(self.log, "worker", *options)

    def process(self, name: str, port: int = 0) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """A process that is no worker; its metrics are at a port of their own."""
        return self._start(self.log.with_name(f"{name}.log"), name, FORESHOCK_METRICS__PORT=str(port))

    def _start(self, log: Path, *words: str, **more: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        command = (*FORESHOCK, *words, "--config", self.config)
        return running(*command, log=log, env=self._environment | more)

    def end(self, worker: subprocess.Popen[bytes], when: Callable[[], bool]) -> None:
        """Wait until something is true, and let the worker end in good order."""

        self.wait(worker, when)
        worker.terminate()
        assert ended(worker) == 0, self.said()

    def wait(self, worker: subprocess.Popen[bytes], when: Callable[[], bool]) -> None:
        """Wait until something is true of a worker that goes on."""
        wait_until(
            lambda: "recovered" in self.said() and when(), self.state, 120.0, meanwhile=lambda: worker.poll() is None
        )

    def state(self) -> str:
        """The worker's log, and where its records are."""
        page = scrape(self.port)
        lines = [f"{name} {dict(of)} {value}" for name, series in page.items() for of, value in series.items() if value]
        return "\n".join([self.said(), *(line for line in lines if line.startswith("foreshock"))])

    def said(self) -> str:
        """The worker's log."""
        return self.log.read_text()

    def fates(self, **labels: str) -> float:
        """Records that met a fate, as the worker exports them."""
        return total(scrape(self.port), "foreshock_records_total", **labels)

    def lag(self) -> float:
        """Records that are not yet applied, as far as the worker knows."""
        return total(scrape(self.port), "foreshock_consumer_lag_records")

    def dead_letters(self) -> dict[Place, list[Pair]]:
        """Key and value of all dead letters of a place in an input topic."""
        found: dict[Place, list[Pair]] = {}
        for each in read({"bootstrap.servers": self.bootstrap}, FileRegistry(), Filter()):
            letter = each.letter
            found.setdefault((letter.topic, letter.partition, letter.offset), []).append((letter.key, letter.value))
        return found

    def feeds(self) -> list[Feed]:
        """The state in the changelog."""
        return [loader.finish() for loader in self._loaders()]

    def pretend_read_by(self, release: str) -> None:
        """Make the state one that another release has written."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for number, loader in enumerate(self._loaders()):
            feed = loader.finish()
            for topic in feed.topics.values():
                topic.read_by = topic.read_by and release
            for key, value in checkpoint(feed, loader.epoch):
                producer.produce(_CHANGELOG, value, key, number)
        assert producer.flush(patience(30)) == 0

    def _loaders(self) -> list[Loader]:
        loaders = [Loader(EngineConfig(), number, self.partitions) for number in range(self.partitions)]
        for number, offset, key, value in records(self.bootstrap, _CHANGELOG):
            loaders[number].add(key, value or None, offset)
        return loaders
