"""The servers that other tests rely on: each starts, does one real round trip, and breaks as it says."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, Producer

from tests.servers.errors import ServerStartError
from tests.servers.kafka import KafkaServer
from tests.servers.ports import answers
from tests.servers.postgres import PostgresServer
from tests.servers.prometheus import PrometheusServer, amtool, promtool
from tests.servers.proxy import TcpProxy
from tests.servers.registry import RegistryServer
from tests.support.patience import Patience, finished, patience, python, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaServer]:
    """One broker behind a proxy, for every test of this module."""
    with KafkaServer(proxied=True) as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """One database server for every test of this module."""
    with PostgresServer() as server:
        yield server


def test_kafka_returns_what_was_produced_after_a_kill_and_a_restart(kafka: KafkaServer) -> None:
    kafka.create_topics(["survivors"])
    _produce(kafka.bootstrap, "survivors", 20)
    kafka.kill9()
    kafka.start()
    assert _consume(kafka.bootstrap, "survivors", 20) == sorted(f"value-{number}" for number in range(20))


def test_kafka_answers_through_its_proxy_and_not_through_a_blackhole(kafka: KafkaServer) -> None:
    kafka.create_topics(["proxied"], partitions=1)
    _produce(kafka.proxied_bootstrap, "proxied", 1)
    assert kafka.proxies[0].accepted > 0
    kafka.proxies[0].blackhole()
    try:
        with pytest.raises(KafkaException):
            _consumer(kafka.proxied_bootstrap).list_topics(timeout=1.0)
    finally:
        kafka.proxies[0].heal()
    assert _consume(kafka.proxied_bootstrap, "proxied", 1) == ["value-0"]


def test_a_paused_kafka_is_silent_until_it_is_resumed(kafka: KafkaServer) -> None:
    kafka.pause()
    try:
        with pytest.raises(KafkaException):
            _consumer(kafka.bootstrap).list_topics(timeout=1.0)
    finally:
        kafka.resume()
    assert _consumer(kafka.bootstrap).list_topics(timeout=patience(20.0)).brokers


def test_a_broker_that_cannot_start_shows_the_end_of_its_log() -> None:
    with (
        pytest.raises(ServerStartError, match=r"(?i)num\.io\.threads"),
        KafkaServer(extra_config={"num.io.threads": "none"}),
    ):
        pass


def test_postgres_keeps_a_committed_row_when_it_is_killed(postgres: PostgresServer) -> None:
    dsn = _dsn(postgres.create_database("killed"))
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept (id int PRIMARY KEY)")
        connection.execute("INSERT INTO kept VALUES (1)")
    postgres.kill9()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn, connect_timeout=2)
    postgres.start()
    assert _ids(dsn) == [1]


def test_a_cut_during_commit_leaves_the_row_and_tells_nobody(postgres: PostgresServer) -> None:
    dsn = _dsn(postgres.create_database("cut"))
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept (id int PRIMARY KEY)")
    with TcpProxy(f"127.0.0.1:{postgres.port}") as proxy:
        through = dsn.replace(f":{postgres.port}/", f":{proxy.port}/")
        cut = proxy.cut_reply(lambda chunk: b"COMMIT" in chunk)
        with pytest.raises(psycopg.OperationalError), psycopg.connect(through) as connection:
            connection.execute("INSERT INTO kept VALUES (1)")
        assert cut.wait(10.0)
        with psycopg.connect(through) as connection:
            connection.execute("INSERT INTO kept VALUES (2)")
    assert cut.count == 1
    assert _ids(dsn) == [1, 2]


def test_a_cut_resets_open_connections_and_serves_new_ones(postgres: PostgresServer) -> None:
    with TcpProxy(f"127.0.0.1:{postgres.port}") as proxy:
        through = postgres.dsn_for().replace(f":{postgres.port}/", f":{proxy.port}/")
        with psycopg.connect(through, autocommit=True) as connection:
            assert proxy.cut() == 1
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        proxy.latency_s = 0.1
        began = time.monotonic()
        with psycopg.connect(through, autocommit=True) as connection:
            assert connection.execute("SELECT 7").fetchone() == (7,)
        assert time.monotonic() - began > 0.2


def test_the_registry_keeps_a_schema_and_refuses_an_incompatible_one() -> None:
    with RegistryServer() as registry:
        first = _registry(registry, "POST", "/subjects/a-value/versions", _schema("x"))
        found = _registry(registry, "GET", f"/schemas/ids/{first['id']}")
        assert json.loads(str(found["schema"]))["fields"][0]["name"] == "x"
        _registry(registry, "PUT", "/config/a-value", {"compatibility": "BACKWARD_TRANSITIVE"})
        verdict = _registry(registry, "POST", "/compatibility/subjects/a-value/versions/latest", _schema("y"))
        assert verdict["is_compatible"] is False


def test_prometheus_answers_queries_and_its_checkers_run() -> None:
    for program in (promtool(), amtool()):
        finished([program, "--version"], check=True)
    with (
        PrometheusServer("global: {scrape_interval: 1s}\n") as prometheus,
        urllib.request.urlopen(f"{prometheus.url}/api/v1/query?query=vector(3)", timeout=patience(10)) as answer,
    ):
        assert json.load(answer)["data"]["result"][0]["value"][1] == "3"


def test_a_killed_test_run_leaves_no_server_behind() -> None:
    script = (
        "import os, signal; from tests.servers.postgres import PostgresServer;"
        "server = PostgresServer(); server.start();"
        "print(server.port, server.folder, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    port, folder = python(script).stdout.split()
    wait_until(lambda: not answers(int(port)) and not Path(folder).exists(), "the server to be gone")


def _produce(bootstrap: str, topic: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, "compression.type": "zstd"})
    for number in range(count):
        producer.produce(topic, key=str(number), value=f"value-{number}")
    assert producer.flush(patience(30)) == 0


def _consumer(bootstrap: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "round-trip",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )


def _consume(bootstrap: str, topic: str, count: int) -> list[str]:
    """Return the first values of a topic in a group's name, sorted."""
    consumer = _consumer(bootstrap)
    consumer.subscribe([topic])
    values: list[str] = []
    limit = Patience(30.0)
    while len(values) < count and not limit.lost():
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            values.append((message.value() or b"").decode())
    consumer.commit(asynchronous=False)
    consumer.close()
    return sorted(values)


def _dsn(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def _ids(dsn: str) -> list[int]:
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM kept ORDER BY id")]


def _schema(field: str) -> dict[str, str]:
    record = {"type": "record", "name": "a", "fields": [{"name": field, "type": "int"}]}
    return {"schema": json.dumps(record)}


def _registry(
    registry: RegistryServer, method: str, path: str, body: dict[str, str] | None = None
) -> dict[str, object]:
    request = urllib.request.Request(
        registry.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=patience(30)) as answer:
        loaded: dict[str, object] = json.load(answer)
        return loaded
