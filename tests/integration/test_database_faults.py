"""The database killed, cut off and locked while it is written: nothing is missing then, nothing is double."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from agents.kafka.embedded import EmbeddedBroker
from agents.process.exits import RefusedError
from sinks.database.migrate import upgrade
from sinks.database.sink import DatabaseSink
from sinks.delivery import PROJECTIONS
from sinks.errors import CommitUnknownError, PositionConflictError, SinkUnavailableError
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import TcpProxy
from tests.support.databases import tuples
from tests.support.patience import ended, finished, patience, wait_until
from tests.unit.sinks.delivering import Running, delivering, send
from tests.unit.sinks.records import ALERTS, alert, batch

pytestmark = pytest.mark.slow

RECORDS = [alert(f"a{n % 400}", 1 + n // 400) for n in range(1000)]


@pytest.fixture
def bootstrap() -> Iterator[str]:
    with EmbeddedBroker(PROJECTIONS) as broker:
        yield broker.bootstrap


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        upgrade(server.url)
        yield server


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'foreshock.db'}"
    upgrade(url)
    return url


def delivered(url: str) -> int:
    try:
        return int(tuples(url, "SELECT COALESCE(SUM(next_offset), 0) FROM sink_positions")[0][0])
    except OperationalError:
        return -1  # down for now


def assert_exact(url: str) -> None:
    """Every revision that was sent is there once with its content, and the highest stands."""
    stored = tuples(url, "SELECT alert_id, revision, payload FROM alert_revisions")
    sent = {(value["alert_id"], value["revision"]): value for value in RECORDS}
    assert len(stored) == len(sent)
    assert {(alert_id, revision): json.loads(payload) for alert_id, revision, payload in stored} == sent
    highest: dict[str, int] = {}
    for alert_id, revision in sorted(sent):
        highest[alert_id] = revision
    assert dict(tuples(url, "SELECT alert_id, revision FROM alerts")) == highest
    assert delivered(url) == len(RECORDS)
    [(evidence,)] = tuples(url, "SELECT COUNT(*) FROM alert_evidence")
    assert evidence == 2 * len(RECORDS)


def failures(running: Running) -> float:
    """Transactions that the database's absence ended."""
    kinds = ("unavailable", "commit_unknown")
    return sum(running.metric("foreshock_sink_write_failures_total", sink="database", kind=kind) for kind in kinds)


def lag(running: Running) -> float:
    """Alerts that wait to be written."""
    of = {"sink": "database", "topic": ALERTS}
    return sum(running.metric("foreshock_sink_lag_records", partition=str(number), **of) for number in range(4))


def has_joined(running: Running) -> bool:
    """Whether the group has given partitions to this deliverer, or none."""
    return running.metric("foreshock_rebalances_total") >= 1


class Nth:
    """Does something when a failpoint is reached for the nth time."""

    def __init__(self, name: str, nth: int, action: Any) -> None:
        self._name, self._left, self._action = name, nth, action

    def __call__(self, name: str) -> None:
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                self._action()


@pytest.mark.servers
@pytest.mark.parametrize("place", ["sink_in_txn", "sink_after_commit"])
def test_postgresql_killed_within_a_transaction_or_after_it(
    bootstrap: str, postgres: PostgresServer, place: str
) -> None:
    killed = threading.Event()

    def kill() -> None:
        postgres.kill9()
        killed.set()

    send(bootstrap, ALERTS, RECORDS)
    with delivering(bootstrap, postgres.url, failpoint=Nth(place, 3, kill), batch_records=100) as running:
        assert killed.wait(patience(30))
        wait_until(lambda: running.metric("foreshock_sink_blocked", sink="database") == 1)
        assert running.deliver.ready() is not None
        postgres.start()
        wait_until(lambda: delivered(postgres.url) == len(RECORDS))
    assert_exact(postgres.url)
    assert running.errors == []
    assert failures(running) >= 1


@pytest.mark.servers
def test_postgresql_ends_the_connection_within_a_transaction(bootstrap: str, postgres: PostgresServer) -> None:
    def terminate() -> None:
        with psycopg.connect(postgres.dsn_for(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'foreshock' AND state LIKE 'idle in transaction%'"
            )

    send(bootstrap, ALERTS, RECORDS)
    fail = Nth("sink_in_txn", 2, terminate)
    with delivering(bootstrap, postgres.url, failpoint=fail, batch_records=100) as running:
        wait_until(lambda: delivered(postgres.url) == len(RECORDS))
    assert_exact(postgres.url)
    assert failures(running) >= 1


def through(proxy: TcpProxy, url: str) -> str:
    return make_url(url).set(host=proxy.host, port=proxy.port).render_as_string(hide_password=False)


@pytest.mark.servers
def test_the_reply_to_commit_is_lost_while_delivering(bootstrap: str, postgres: PostgresServer) -> None:
    send(bootstrap, ALERTS, RECORDS)
    with TcpProxy(f"127.0.0.1:{postgres.port}") as proxy:
        cut = proxy.cut_reply(lambda chunk: b"COMMIT" in chunk, times=2)
        with delivering(bootstrap, through(proxy, postgres.url), batch_records=100) as running:
            wait_until(lambda: delivered(postgres.url) == len(RECORDS))
    assert cut.count == 2
    assert_exact(postgres.url)
    assert running.metric("foreshock_sink_write_failures_total", sink="database", kind="commit_unknown") == 2
    # What was committed without our knowing was not written again.
    assert running.metric("foreshock_sink_records_total", sink="database", projection="alert") < len(RECORDS)


@pytest.mark.servers
def test_after_an_unknown_commit_the_same_batch_is_a_conflict(postgres: PostgresServer) -> None:
    with TcpProxy(f"127.0.0.1:{postgres.port}") as proxy:
        sink = DatabaseSink(through(proxy, postgres.url))
        assert sink.positions(ALERTS) == {}
        proxy.cut_reply(lambda chunk: b"COMMIT" in chunk)
        with pytest.raises(CommitUnknownError):
            sink.write(batch(alert("a")))
        wait_until(lambda: sink.positions(ALERTS) == {0: 1})
        with pytest.raises(PositionConflictError):
            sink.write(batch(alert("a")))
        sink.write(batch(alert("b"), old=1))
        sink.close()
    assert len(tuples(postgres.url, "SELECT * FROM alerts")) == 2


@pytest.mark.servers
def test_a_row_locked_by_someone_else_is_waited_for_and_then_reported(postgres: PostgresServer) -> None:
    sink = DatabaseSink(postgres.url, timeout_s=0.5)
    sink.write(batch(alert("a")))
    with psycopg.connect(postgres.dsn_for()) as other:
        other.execute("SELECT * FROM sink_positions FOR UPDATE")
        with pytest.raises(SinkUnavailableError):
            sink.write(batch(alert("b"), old=1))
    sink.write(batch(alert("b"), old=1))
    sink.close()


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


def test_sqlite_locked_by_another_process_is_written_when_it_lets_go(bootstrap: str, sqlite: str) -> None:
    path = str(make_url(sqlite).database)
    hold, pipe = [sys.executable, "-c", HOLD, path], subprocess.PIPE
    with subprocess.Popen(hold, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        send(bootstrap, ALERTS, RECORDS)
        with delivering(bootstrap, sqlite, timeout_s=0.3, batch_records=100) as running:
            wait_until(lambda: running.metric("foreshock_sink_blocked", sink="database") == 1)
            assert "SQLITE_BUSY" in (running.deliver.ready() or "")
            wait_until(lambda: lag(running) == len(RECORDS))
            assert delivered(sqlite) == 0
            assert running.deliver.healthy() is None
            holder.stdin.close()
            assert ended(holder) == 0
            wait_until(lambda: delivered(sqlite) == len(RECORDS))
    assert_exact(sqlite)


@pytest.mark.parametrize("place", ["sink_in_txn", "sink_after_commit"])
@pytest.mark.parametrize("nth", [1, 7])
def test_a_deliverer_killed_at_its_failpoints_leaves_a_database_that_the_next_one_completes(
    bootstrap: str, sqlite: str, place: str, nth: int
) -> None:
    send(bootstrap, ALERTS, RECORDS)
    command = [sys.executable, "-m", "tests.unit.sinks.deliver_process", bootstrap, sqlite]
    environment = {**os.environ, "FORESHOCK_FAILPOINT": f"{place}:{nth}"}
    assert finished(command, env=environment).returncode == -9
    at_kill = delivered(sqlite)
    assert 0 <= at_kill < len(RECORDS)
    assert len(tuples(sqlite, "SELECT * FROM alert_revisions")) == at_kill
    with delivering(bootstrap, sqlite):
        wait_until(lambda: delivered(sqlite) == len(RECORDS))
    assert_exact(sqlite)


@pytest.fixture
def kafka() -> Iterator[KafkaServer]:
    with KafkaServer(partitions_default=4) as server:
        server.create_topics(PROJECTIONS)
        yield server


@pytest.mark.servers
def test_deliverers_that_come_and_go_and_a_killed_broker_on_real_kafka(kafka: KafkaServer, sqlite: str) -> None:
    with delivering(kafka.bootstrap, sqlite, batch_records=40) as first:
        for part in range(4):
            with delivering(kafka.bootstrap, sqlite, batch_records=40) as other:
                send(kafka.bootstrap, ALERTS, RECORDS[part * 250 : (part + 1) * 250])
                wait_until(partial(has_joined, other))
                if part == 2:
                    kafka.kill9()
                    wait_until(lambda: "no broker answers" in (first.deliver.ready() or ""))
                    kafka.start()
            assert other.errors == []
        wait_until(lambda: delivered(sqlite) == len(RECORDS))
        wait_until(lambda: first.deliver.ready() is None)
    assert first.errors == []
    assert_exact(sqlite)


@pytest.mark.servers
def test_records_that_retention_removed_before_they_were_delivered_are_never_passed_over_in_silence(
    kafka: KafkaServer, sqlite: str
) -> None:
    send(kafka.bootstrap, ALERTS, RECORDS[:200])
    with delivering(kafka.bootstrap, sqlite) as running:
        wait_until(lambda: delivered(sqlite) == 200)
    send(kafka.bootstrap, ALERTS, RECORDS[200:400])
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    everything = [TopicPartition(ALERTS, partition, OFFSET_END) for partition in range(4)]
    for future in admin.delete_records(everything).values():
        future.result(patience(30))
    send(kafka.bootstrap, ALERTS, RECORDS[400:500])
    with delivering(kafka.bootstrap, sqlite) as running:
        wait_until(lambda: bool(running.errors))
    assert isinstance(running.errors[0], RefusedError)
    assert delivered(sqlite) == 200
    with delivering(kafka.bootstrap, sqlite, accept_loss=True) as running:
        wait_until(lambda: delivered(sqlite) == 500)
    assert running.errors == []
    assert tuples(sqlite, "SELECT COUNT(*) FROM alert_revisions") == [(300,)]
