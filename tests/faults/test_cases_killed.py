"""Console, sending and worker killed at random while many cases are worked on: nothing is lost or told twice."""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from subprocess import Popen
from threading import Event, Thread

import httpx
import pytest
from confluent_kafka import Producer

from sinks.database.migrate import upgrade
from tests.servers.kafka import KafkaServer
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer
from tests.support.databases import rows
from tests.support.deployment import Deployment
from tests.support.patience import patience, wait_until
from tests.support.receivers import SECRET, HttpStandIn, stand_in_of
from tests.support.wire import value

pytestmark = [pytest.mark.servers, pytest.mark.faults, pytest.mark.soak, pytest.mark.timeout(1_800)]

CASES = int(os.environ.get("FORESHOCK_TEST_CASES", "1000"))
ACTIONS = (
    {"action": "acknowledge"},
    {"action": "comment", "note": "called them"},
    {"action": "assign", "assignee": "ann"},
)
VICTIMS = ("worker", "console", "notify")
SETTINGS = """
idle_timeout_s = 2.0
tick_interval_s = 2.0
out_of_orderness_s = 0
[database]
url = "{database}"
[console]
port = {console}
[notify]
immediate = "warning"
[[receivers]]
name = "hook"
channel = "webhook"
[[routes]]
receiver = "hook"
"""


class Processes:
    """All processes of a deployment; those that are killed are started again."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._running: dict[str, tuple[AbstractContextManager[Popen[bytes]], Popen[bytes]]] = {}
        self.killed: Counter[str] = Counter()
        for name in (*VICTIMS, "deliver"):
            self._start(name)

    def _start(self, name: str) -> None:
        managed = self._deployment.worker() if name == "worker" else self._deployment.process(name)
        self._running[name] = managed, managed.__enter__()

    def kill(self, name: str) -> None:
        managed, _ = self._running.pop(name)
        managed.__exit__(None, None, None)
        self.killed[name] += 1
        self._start(name)

    def end(self) -> None:
        for managed, _ in self._running.values():
            managed.__exit__(None, None, None)


def say(address: str, key: str, case_id: str, number: int) -> None:
    """Give a command until the console has answered that the brokers have it; under one key, so that it is one."""
    while True:
        try:
            answer = httpx.post(
                f"{address}/api/v1/commands",
                json={"case_id": case_id, **ACTIONS[number]},
                headers={"Idempotency-Key": f"{case_id} {number}", "Authorization": f"Bearer {key}"},
                timeout=patience(20.0),
            )
        except httpx.HTTPError:
            time.sleep(0.5)
            continue
        if answer.is_success:
            return
        assert answer.status_code >= 500, answer.text
        time.sleep(0.5)


def told(hook: HttpStandIn) -> dict[tuple[str, str], set[str]]:
    """Ids of the messages that arrived, by case and event."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for post, identity in zip(list(hook.posts), hook.taken(), strict=False):
        found[post.content["data"]["case"]["case_id"], post.content["type"]].add(identity)
    return found


def test_nothing_is_lost_and_nothing_is_told_under_two_ids(
    kafka: KafkaServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    database, console = postgres.create_database("killed"), free_port()
    upgrade(database)
    hook = stand_in_of("webhook", tmp_path)
    assert isinstance(hook, HttpStandIn)
    hook.start()
    deployment = Deployment(
        kafka,
        tmp_path,
        time=SETTINGS.format(database=database, console=console),
        environment={
            "FORESHOCK_RECEIVERS__HOOK__URL": hook.receiver.url.get_secret_value(),  # type: ignore[attr-defined]
            "FORESHOCK_RECEIVERS__HOOK__SECRET": SECRET,
        },
    )
    key = deployment.run("access", "add-key", "crm", "--scope", "command").strip()
    address = f"http://127.0.0.1:{console}"
    processes, random, over = Processes(deployment), Random(7), Event()

    def kill_some() -> None:
        while not over.wait(random.uniform(3.0, 12.0)):
            processes.kill(random.choice(VICTIMS))

    killer = Thread(target=kill_some)
    try:
        wait_until(lambda: "recovered" in deployment.said(), "the worker", 120.0)
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "partitioner": "murmur2_random", "log_level": 0})
        now_ms = time.time_ns() // 1_000_000
        killer.start()
        for number in range(CASES):
            event = value(
                "billing.events", account_id=f"a{number}", event_id=f"e{number}", type="payment_failed",
                invoice_id=f"i{number}", occurred_at=now_ms + number // 100,
            )  # fmt: skip
            producer.produce("billing.events", event, f"a{number}".encode())
        assert producer.flush(patience(60)) == 0
        count = "SELECT COUNT(*) AS n FROM "
        wait_until(lambda: rows(database, count + "cases")[0]["n"] == CASES, "all cases", 300.0)
        ids = [row["case_id"] for row in rows(database, "SELECT case_id FROM cases ORDER BY account_id")]
        wait_until(
            lambda: {case for case, event in told(hook) if event == "case.opened"} == set(ids), "news of all", 300.0
        )
        with ThreadPoolExecutor(4) as people:
            for number in range(len(ACTIONS)):
                list(people.map(lambda case_id: say(address, key, case_id, number), ids))  # noqa: B023
        over.set()
        killer.join()
        said = f"{count} alert_commands WHERE result IS NOT NULL"
        wait_until(lambda: rows(database, said)[0]["n"] == CASES * len(ACTIONS), "all results", 300.0)
        wait_until(lambda: rows(database, f"{count} outbox WHERE state = 'waiting'")[0]["n"] == 0, "the outbox", 300.0)
    finally:
        over.set()
        processes.end()
        hook.stop()
    results = Counter(row["result"] for row in rows(database, "SELECT result FROM alert_commands"))
    assert results == {"applied": CASES * len(ACTIONS)}
    kept = rows(database, "SELECT status, assignee, revision, severity FROM cases")
    assert {tuple(row.values()) for row in kept} == {("acknowledged", "ann", len(ACTIONS), "warning")}
    arrived = told(hook)
    assert {len(each) for each in arrived.values()} == {1}
    last = {post.content["data"]["case"]["case_id"]: post.content["data"]["case"] for post in hook.posts}
    assert {case["status"] for case in last.values()} == {"acknowledged"}
    assert set(processes.killed) == set(VICTIMS)
    print(json.dumps({"killed": processes.killed, "posts": len(hook.posts), "messages": len(arrived)}))
