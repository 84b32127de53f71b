"""The commands of an operator against a real Kafka: topics, files in, two processes, rows out."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from agents.eventfiles.files import read_events
from agents.replay.arrivals import day_ends
from agents.replay.emit import EmitError, EmitOptions, emit
from pipeline.config import EngineConfig
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS
from tests.servers.kafka import KafkaServer
from tests.servers.ports import free_port

pytestmark = [pytest.mark.servers, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaServer]:
    """One broker that creates no topic by itself."""
    with KafkaServer(extra_config={"auto.create.topics.enable": "false"}) as server:
        yield server


class Operator:
    """Runs `foreshock` as an operator does, in a process of its own, with one deployment's settings."""

    def __init__(self, kafka: KafkaServer, folder: Path, group: str = "foreshock") -> None:
        self.folder = folder
        self.database = folder / "foreshock.db"
        self._environment = {
            **os.environ,
            "FORESHOCK_KAFKA__BOOTSTRAP": kafka.bootstrap,
            "FORESHOCK_KAFKA__REPLICATION_FACTOR": "1",
            "FORESHOCK_APP__GROUP": group,
            "FORESHOCK_TIME__CLOCK": "events",
            "FORESHOCK_DATABASE__URL": f"sqlite:///{self.database}",
        }

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self._command(*arguments),
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, command: str, port: int) -> subprocess.Popen[bytes]:
        """Start a long-running process that listens on the port."""
        environment = {**self._environment, "FORESHOCK_METRICS__PORT": str(port)}
        with (self.folder / f"{command}.log").open("wb") as log:
            return subprocess.Popen(self._command(command), env=environment, stderr=log)

    @staticmethod
    def _command(*arguments: object) -> list[str]:
        return [sys.executable, "-m", "agents", *(str(argument) for argument in arguments)]


def alter(kafka: KafkaServer, topic: str, name: str, value: str) -> None:
    """Set a configuration of a topic."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(20.0)


def answer(port: int, path: str) -> tuple[int, str]:
    """Status and body of a page; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5.0) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def wait_for(what: str, holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s for {what}"
        time.sleep(0.2)


def wait_until_ready(command: str, port: int) -> None:
    """Wait until a process says that it is ready; it must be healthy then."""
    wait_for(f"{command} to be ready", lambda: answer(port, "/-/ready")[0] == 200)
    assert answer(port, "/-/healthy")[0] == 200


def usage_folder(folder: Path, days: int = 40) -> Path:
    """A folder with profiles, and usage of one account."""
    events = folder / "events"
    events.mkdir()
    rows = [f"acc-1,export,{1_767_225_600_000 + day * 86_400_000 + 36_000_000},e{day}" for day in range(days)]
    (events / "usage.csv").write_text("account_id,feature,occurred_at,event_id\n" + "\n".join(rows) + "\n")
    (events / "billing.csv").write_text(
        "account_id,type,occurred_at,event_id,invoice_id,currency\n"
        "acc-1,payment_failed,2026-01-20T12:00:00Z,b1,inv-1,EUR\n"
    )
    return events


def test_topics_are_created_once_mended_and_never_repartitioned(kafka: KafkaServer, tmp_path: Path) -> None:
    operator = Operator(kafka, tmp_path, "first")
    missing = operator.run("topics", "check", "--json")
    assert missing.returncode == 1
    assert {each["what"] for each in json.loads(missing.stdout)["differences"]} == {"topic"}
    assert operator.run("topics", "apply").returncode == 0
    assert operator.run("topics", "apply").stdout == "all topics are as they must be\n"

    alter(kafka, "usage.events", "retention.ms", "1000")
    assert "usage.events: retention.ms is 1000" in operator.run("topics", "check").stderr
    assert operator.run("topics", "apply").returncode == 0
    assert operator.run("topics", "check").returncode == 0


def test_a_topic_with_other_partitions_is_left_to_a_person(kafka: KafkaServer, tmp_path: Path) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for future in admin.create_topics([NewTopic("second-state-changelog", 3, 1)]).values():
        future.result(20.0)
    operator = Operator(kafka, tmp_path, "second")
    applied = operator.run("topics", "apply")
    assert applied.returncode == 1
    assert "second-state-changelog: partitions is 3, must be 8; this needs your decision" in applied.stderr
    assert (
        len(admin.list_topics("second-state-changelog", timeout=20.0).topics["second-state-changelog"].partitions) == 3
    )


def test_a_record_that_is_not_delivered_fails_the_emission(kafka: KafkaServer, tmp_path: Path) -> None:
    assert Operator(kafka, tmp_path).run("topics", "apply").returncode == 0
    alter(kafka, "usage.events", "max.message.bytes", "10")
    try:
        with pytest.raises(EmitError, match="was not delivered"):
            emit(
                read_events(usage_folder(tmp_path)),
                {"bootstrap.servers": kafka.bootstrap},
                FileRegistry(),
                EmitOptions(day_ends(EngineConfig())),
            )
    finally:
        alter(kafka, "usage.events", "max.message.bytes", "1048588")


def test_events_become_rows_and_both_processes_stop_when_asked(kafka: KafkaServer, tmp_path: Path) -> None:
    operator = Operator(kafka, tmp_path, "third")
    assert operator.run("topics", "apply").returncode == 0
    assert operator.run("db", "upgrade").returncode == 0
    ports = {"worker": free_port(), "deliver": free_port()}
    processes = {command: operator.start(command, port) for command, port in ports.items()}
    try:
        for command, port in ports.items():
            wait_until_ready(command, port)
        emitted = operator.run("emit", usage_folder(tmp_path), "--max-lag", 1000, "--json")
        assert emitted.returncode == 0, emitted.stderr
        wait_for("the alert in the database", lambda: kinds(operator.database) >= {"payment_failed"})
        wait_for("every record to have a fate", lambda: fates(ports["worker"]) == offsets(kafka))
        assert offsets(kafka) >= sum(json.loads(emitted.stdout)["by_topic"].values())
        explained = json.loads(operator.run("explain", "acc-1", "--json").stdout)
        assert "payment_failed" in {alert["kind"] for alert in explained["open_alerts"]}
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        codes = {command: process.wait(60.0) for command, process in processes.items()}
    assert codes == {"worker": 0, "deliver": 0}, (tmp_path / "worker.log").read_text()[-3000:]


def kinds(database: Path) -> set[str]:
    """Kinds of the alerts in the database."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return {kind for (kind,) in connection.execute("SELECT kind FROM alerts")}


def fates(port: int) -> int:
    """Records of all input topics that met a fate, as a worker exports them."""
    lines = answer(port, "/metrics")[1].splitlines()
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("foreshock_records_total{")))


def offsets(kafka: KafkaServer) -> int:
    """Records in all input topics."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "counting"})
    partitions = [
        TopicPartition(topic, number)
        for topic in INPUT_TOPICS
        for number in consumer.list_topics(topic, timeout=20.0).topics[topic].partitions
    ]
    total = sum(consumer.get_watermark_offsets(partition, timeout=20.0)[1] for partition in partitions)
    consumer.close()
    return total
