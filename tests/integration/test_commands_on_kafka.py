"""The commands of an operator against a real Kafka: topics, files in, two processes, rows out."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from agents.eventfiles.files import read_events
from agents.replay.arrivals import day_ends
from agents.replay.emit import EmitError, EmitOptions, emit
from pipeline.config import EngineConfig
from schemas.registry.source import FileRegistry
from tests.servers.kafka import KafkaServer
from tests.servers.ports import free_port
from tests.support.commands import FORESHOCK, foreshock, running
from tests.support.pages import answer, scrape, total
from tests.support.patience import ended, wait_until
from tests.support.topics import alter, delete_topics, ends, partitions, reader

pytestmark = [pytest.mark.servers, pytest.mark.timeout(240)]


class Operator:
    """Runs `foreshock` as an operator does, in a process of its own, with one deployment's settings."""

    def __init__(self, kafka: KafkaServer, folder: Path, group: str = "foreshock") -> None:
        self.folder = folder
        self.database = folder / "foreshock.db"
        delete_topics(kafka.bootstrap)
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
        return foreshock(*arguments, env=self._environment)

    def process(self, command: str, port: int) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """A long-running process that listens on the port."""
        environment = {**self._environment, "FORESHOCK_METRICS__PORT": str(port)}
        return running(*FORESHOCK, command, log=self.folder / f"{command}.log", env=environment)


def wait_until_ready(command: str, port: int) -> None:
    """Wait until a process says that it is ready; it must be healthy then."""
    wait_until(lambda: answer(port, "/-/ready")[0] == 200, f"{command} to be ready")
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

    alter(kafka.bootstrap, "usage.events", "retention.ms", "1000")
    assert "usage.events: retention.ms is 1000" in operator.run("topics", "check").stderr
    assert operator.run("topics", "apply").returncode == 0
    assert operator.run("topics", "check").returncode == 0


def test_a_topic_with_other_partitions_is_left_to_a_person(kafka: KafkaServer, tmp_path: Path) -> None:
    operator = Operator(kafka, tmp_path, "second")
    kafka.create_topics(["second-state-changelog"], partitions=3)
    applied = operator.run("topics", "apply")
    assert applied.returncode == 1
    assert "second-state-changelog: partitions is 3, must be 8; this needs your decision" in applied.stderr
    with reader(kafka.bootstrap) as consumer:
        assert partitions(consumer, "second-state-changelog") == [0, 1, 2]


def test_a_record_that_is_not_delivered_fails_the_emission(kafka: KafkaServer, tmp_path: Path) -> None:
    assert Operator(kafka, tmp_path).run("topics", "apply").returncode == 0
    alter(kafka.bootstrap, "usage.events", "max.message.bytes", "10")
    files, client = read_events(usage_folder(tmp_path)), {"bootstrap.servers": kafka.bootstrap}

    def why() -> str:
        try:
            emit(files, client, FileRegistry(), EmitOptions(day_ends(EngineConfig())))
        except EmitError as error:
            return str(error)
        return ""

    # The broker tells of a configuration a moment before it goes by it.
    assert "was not delivered" in wait_until(why, "an emission to fail")


def test_events_become_rows_and_both_processes_stop_when_asked(kafka: KafkaServer, tmp_path: Path) -> None:
    operator = Operator(kafka, tmp_path, "third")
    assert operator.run("topics", "apply").returncode == 0
    assert operator.run("db", "upgrade").returncode == 0
    port, other = free_port(), free_port()
    with operator.process("worker", port) as worker, operator.process("deliver", other) as deliver:
        wait_until_ready("worker", port)
        wait_until_ready("deliver", other)
        emitted = operator.run("emit", usage_folder(tmp_path), "--max-lag", 1000, "--json")
        assert emitted.returncode == 0, emitted.stderr
        wait_until(lambda: kinds(operator.database) >= {"payment_failed"}, "the alert in the database")
        wait_until(
            lambda: total(scrape(port), "foreshock_records_total") == offsets(kafka),
            "every record to have a fate",
        )
        assert offsets(kafka) >= sum(json.loads(emitted.stdout)["by_topic"].values())
        explained = json.loads(operator.run("explain", "acc-1", "--json").stdout)
        assert "payment_failed" in {alert["kind"] for alert in explained["open_alerts"]}
        worker.terminate()
        deliver.terminate()
        assert (ended(worker), ended(deliver)) == (0, 0), (tmp_path / "worker.log").read_text()[-3000:]


def kinds(database: Path) -> set[str]:
    """Kinds of the alerts in the database."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return {kind for (kind,) in connection.execute("SELECT kind FROM alerts")}


def offsets(kafka: KafkaServer) -> int:
    """Records in all input topics."""
    with reader(kafka.bootstrap) as consumer:
        return sum(ends(consumer).values())
