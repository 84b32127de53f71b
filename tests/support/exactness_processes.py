"""A deployment of real processes: settings in a file, workers and a delivery that can be killed and frozen."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.group import LeaveGroupRequest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from agents.kafka.topics import Topics, wanted_topics
from agents.settings import Settings, load
from sinks.database.migrate import upgrade
from tests.oracle.model import OracleConfig
from tests.support.exactness_child import run
from tests.support.exactness_settings import PLAIN, lines_of
from tests.support.fresh import delete_topics

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.support.exactness_child"])

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

    def wait_for(self, text: str, timeout_s: float = 60.0) -> None:
        """Wait until its log has the text."""
        wait_until(f"{self.log.name} to say {text!r}", lambda: self.said(text) or not self.alive(), timeout_s)
        assert self.said(text), self.tail()

    def kill9(self) -> None:
        """Kill without warning."""
        self._process.kill()
        self._process.join()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self._process.pid or 0, number)

    def wait(self, timeout_s: float) -> int | None:
        """Exit code, negative for a signal; None if it has not ended in time."""
        self._process.join(timeout_s)
        return self._process.exitcode

    def terminate(self) -> int | None:
        """Ask it to end; the exit code."""
        self._process.terminate()
        return self.wait(60)

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
        found = _admin(self.bootstrap).list_topics(timeout=20).topics
        delete_topics(self.bootstrap, [name for name in found if not name.startswith("__")])
        topics = Topics(self.settings.kafka_client(), wanted_topics(self.settings))
        topics.apply()
        wait_until("the topics", lambda: not topics.check())
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

    def configure(self, topic: str, name: str, value: str) -> None:
        """Set a configuration of a topic."""
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        admin = _admin(self.bootstrap)
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(20.0)

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


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


async def _remove_members(bootstrap: str, group: str) -> None:
    admin = _admin(bootstrap)
    described = admin.describe_consumer_groups([group])[group].result(20.0)
    if not described.members:
        return
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        for member in described.members:
            await client.send(described.coordinator.id, LeaveGroupRequest(group, member.member_id))
    finally:
        await client.close()


def wait_until(what: str, holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s for {what}"
        time.sleep(0.05)


def database_alerts(path: Path) -> dict[tuple[str, int], str]:
    """Payload of each revision in the database; a key twice cannot be, but is looked for."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT alert_id, revision, payload FROM alert_revisions").fetchall()
    found = {(alert_id, revision): payload for alert_id, revision, payload in rows}
    assert len(found) == len(rows)
    return found
