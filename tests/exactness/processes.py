"""A deployment of real processes: settings in a file, workers and a delivery that can be killed and frozen."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
from pathlib import Path
from typing import Self

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.group import LeaveGroupRequest

from agents.kafka.topics import Topics, wanted_topics
from agents.settings import Settings, load
from sinks.database.migrate import upgrade
from tests.exactness.child import run
from tests.exactness.settings import PLAIN, lines_of
from tests.oracle.model import OracleConfig
from tests.support.patience import patience, wait_until
from tests.support.topics import ASK_S, admin_of, delete_topics

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.exactness.child"])

SESSION_S = 6
PARTITIONS = 4


class Process:
    """`foreshock COMMAND` in a process of its own, forked from one that has imported everything."""

    def __init__(self, deployment: Deployment, command: str, *, failpoint: str | None = None) -> None:
        deployment.started += 1
        self.log = deployment.folder / f"{command}-{deployment.started}.log"
        arguments = [command, "--config", str(deployment.config)]
        self._process = _FORKS.Process(target=run, args=(arguments, self.log, failpoint), daemon=True)
        self._process.start()

    def alive(self) -> bool:
        """Whether it runs, frozen or not."""
        return self._process.is_alive()

    def text(self) -> str:
        """What it has logged."""
        return self.log.read_text() if self.log.exists() else ""

    def said(self, text: str) -> bool:
        """Whether its log has this text."""
        return text in self.text()

    def wait_for(self, text: str) -> None:
        """Wait until its log has the text."""
        wait_until(lambda: self.said(text), lambda: f"{text!r}, not {self.tail()}", meanwhile=self.alive)

    def kill9(self) -> None:
        """Kill without warning."""
        self._process.kill()
        self._process.join()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self._process.pid or 0, number)

    def wait(self) -> int | None:
        """Wait for its end; the exit code, negative for a signal."""
        wait_until(lambda: not self.alive(), f"the end of {self.log.name}")
        return self._process.exitcode

    def terminate(self) -> int | None:
        """Ask it to end; the exit code."""
        self._process.terminate()
        return self.wait()

    def tail(self) -> str:
        """End of its log."""
        return f"{self.log.name}:\n{self.text()[-4000:]}"


class Deployment:
    """Topics, settings file and database of one test; ends what it started."""

    def __init__(
        self, bootstrap: str, group: str, folder: Path, oracle: OracleConfig = PLAIN, *, idle_ticks: bool = False
    ) -> None:
        self.bootstrap, self.group, self.folder, self.oracle = bootstrap, group, folder, oracle
        self.database = folder / "foreshock.db"
        self.config = folder / "foreshock.toml"
        self.started = 0
        self._processes: list[Process] = []
        idle = "idle_timeout_s = 0.5\ntick_interval_s = 0.2" if idle_ticks else "idle_timeout_s = 86400"
        self.config.write_text(
            f'[kafka]\nbootstrap = "{bootstrap}"\nreplication_factor = 1\nsession_timeout_s = {SESSION_S}\n'
            f'[app]\ngroup = "{group}"\npartitions = {PARTITIONS}\n'
            f'[database]\nurl = "sqlite:///{self.database}"\n'
            f'[time]\nclock = "events"\n{idle}\n'
            f"[checkpoint]\ninterval_s = 0.2\n"
            f"[metrics]\nport = 0\n"
            f"{lines_of(oracle)}"
        )
        self.settings: Settings = load(self.config, {})
        self._renew_topics()

    def _renew_topics(self) -> None:
        delete_topics(self.bootstrap)
        topics = Topics(self.settings.kafka_client(), wanted_topics(self.settings))
        topics.apply()
        wait_until(lambda: not topics.check(), "the topics")
        upgrade(self.settings.database.url)

    def worker(self, failpoint: str | None = None) -> Process:
        """Start a worker."""
        return self.start("worker", failpoint)

    def deliver(self, failpoint: str | None = None) -> Process:
        """Start a delivery."""
        return self.start("deliver", failpoint)

    def start(self, command: str, failpoint: str | None = None) -> Process:
        """Start a process, armed or not."""
        process = Process(self, command, failpoint=failpoint)
        self._processes.append(process)
        return process

    def forget_dead_members(self, group: str | None = None) -> None:
        """Take all members out of the group, as the broker does with each dead one when its session is over.

        To be called while no member lives; it saves the waiting.
        """
        asyncio.run(_remove_members(self.bootstrap, group or self.group))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for process in self._processes:
            if process.alive():
                process.kill9()
        if error is not None:
            for process in self._processes[-2:]:
                print(process.tail())


async def _remove_members(bootstrap: str, group: str) -> None:
    admin = admin_of(bootstrap)
    described = admin.describe_consumer_groups([group])[group].result(patience(ASK_S))
    if not described.members:
        return
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        for member in described.members:
            await client.send(described.coordinator.id, LeaveGroupRequest(group, member.member_id))
    finally:
        await client.close()


def database_alerts(path: Path) -> dict[tuple[str, int], str]:
    """Payload of each revision in the database; a key twice cannot be, but is looked for."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT alert_id, revision, payload FROM alert_revisions").fetchall()
    found = {(alert_id, revision): payload for alert_id, revision, payload in rows}
    assert len(found) == len(rows)
    return found
