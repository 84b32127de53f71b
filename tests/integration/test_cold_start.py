"""An event of long ago is the first of a deployment: its partition is in the present within moments, and all others."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas.topics import DAY_MS
from tests.servers.kafka import KafkaServer
from tests.support.deployment import PARTITIONS, Deployment
from tests.support.pages import scrape
from tests.support.patience import patience
from tests.support.wire import value

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

LONG_AGO_MS = 1_230_768_000_000
"""In 2009, six thousand days and more before."""
MOST_RECORDS = 1_000
"""Ticks while the test waits, longer on a busy machine; a walk through the years takes one for each day."""


@pytest.mark.parametrize("clock", ["wall", "events"])
def test_an_event_of_2009_does_not_walk_through_the_years(kafka: KafkaServer, tmp_path: Path, clock: str) -> None:
    deployment = Deployment(kafka, tmp_path)
    deployment.time = f'clock = "{clock}"\nidle_timeout_s = 2.0\ntick_interval_s = 5.0'
    deployment.use("")
    now_ms = int(time.time() * 1_000)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "partitioner": "murmur2_random"})
    for number, (account, at_ms) in enumerate([("old", LONG_AGO_MS), ("old", now_ms), ("new", now_ms)]):
        event = value("usage.events", account_id=account, event_id=f"e{number}", occurred_at=at_ms)
        producer.produce("usage.events", event, account.encode())
    assert producer.flush(patience(30)) == 0

    def in_the_present() -> bool:
        closed = scrape(deployment.port).get("foreshock_day_closed_timestamp_seconds", {}).values()
        return len(closed) == PARTITIONS and min(closed) * 1_000 >= now_ms - 2 * DAY_MS

    with deployment.worker() as worker:
        deployment.wait(worker, in_the_present)
        assert deployment.fates() < MOST_RECORDS
        deployment.end(worker, when=lambda: True)
    assert {account for feed in deployment.feeds() for account in feed.state.accounts.ids[1:]} == {"old", "new"}
