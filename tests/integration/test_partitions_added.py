"""Partitions are added to a topic under a running worker: what it says, and how to go on."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas.topics import INPUT_TOPICS
from tests.servers.kafka import KafkaServer
from tests.support.deployment import PARTITIONS, Deployment
from tests.support.patience import ended, patience
from tests.support.topics import grow
from tests.support.wire import value

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

EVENTS = 300
MORE = 6
AT_ONCE_S = 20.0


def send(bootstrap: str, begin: int) -> None:
    """So many events of now, of as many accounts, placed as Kafka's own clients do it."""
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for number in range(begin, begin + EVENTS):
        names = {"event_id": f"e{number}", "account_id": f"a{number}"}
        event = value("usage.events", **names, occurred_at=int(time.time() * 1000))
        producer.produce("usage.events", event, names["account_id"].encode())
    assert producer.flush(patience(30)) == 0


def accounts(deployment: Deployment) -> Counter[str]:
    """In how many partitions each account is held."""
    return Counter(account for feed in deployment.feeds() for account in feed.state.accounts.ids[1:])


def refused(deployment: Deployment) -> str:
    """Start a worker that is refused; the only line that says so."""
    with deployment.worker() as worker:
        assert ended(worker) == 78
    return last_line(deployment)


def last_line(deployment: Deployment) -> str:
    said = deployment.said()
    assert "Traceback" not in said
    [line] = [line for line in said.splitlines() if "stopping with exit code" in line or line.startswith("error:")]
    return line


def test_a_worker_under_which_partitions_are_added_ends_with_78_at_once_and_can_begin_anew(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    deployment = Deployment(kafka, tmp_path)
    send(kafka.bootstrap, 0)
    with deployment.worker() as worker:
        deployment.wait(worker, lambda: deployment.fates(fate="applied") >= EVENTS)
        grow(kafka.bootstrap, ["usage.events"], MORE)
        grown_at = time.monotonic()
        assert ended(worker) == 78
        assert time.monotonic() - grown_at < patience(AT_ONCE_S)
    line = last_line(deployment)
    assert "stopping with exit code 78: usage.events has 6 partitions, had 4: " in line
    assert "'When partitions were added' in deploy/README.md" in line

    line = refused(deployment)
    assert "must have equally many partitions" in line
    assert "'usage.events': 6, 'billing.events': 4" in line

    send(kafka.bootstrap, EVENTS)
    others = [topic for topic in INPUT_TOPICS if topic != "usage.events"]
    grow(kafka.bootstrap, [*others, "foreshock-state-changelog"], MORE)
    deployment.partitions = MORE
    deployment.use("")
    line = refused(deployment)
    assert f"is the state of topics with {PARTITIONS} partitions, now they have {MORE}" in line
    assert "start once with --accept-epoch to begin anew from what the topics hold" in line

    everybody = Counter(f"a{number}" for number in range(2 * EVENTS))
    with deployment.worker("--accept-epoch") as worker:
        deployment.end(worker, when=lambda: deployment.fates(fate="applied") >= len(everybody))
    assert accounts(deployment) == everybody
    with deployment.worker() as worker:
        deployment.end(worker, when=lambda: True)
    assert accounts(deployment) == everybody
