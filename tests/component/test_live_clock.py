"""With nobody sending anything any more, a day closes within moments after midnight plus out-of-orderness."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from agents.demo.processes import environment
from agents.kafka.embedded import EmbeddedBroker
from schemas.codec.encode import Encoder, RecordDecoder
from schemas.registry.source import FileRegistry
from schemas.topics import TOPICS
from tests.servers.ports import free_port
from tests.support.commands import running
from tests.support.patience import ended, patience, wait_until
from tests.support.topics import records

DAY_MS = 86_400_000
LIMIT_S = 60.0


def usage_of_yesterday(now_ms: int) -> dict[str, object]:
    return {
        "event_id": "e1",
        "account_id": "acme",
        "user_id": "ann",
        "feature": "home",
        # So late that the watermark, up to a day behind, begins in yesterday: its close publishes a new account.
        "occurred_at": now_ms - now_ms % DAY_MS - 1_000,
        "quantity": 1.0,
    }


def closed_days(bootstrap: str) -> set[int]:
    """Days whose close published the account's health."""
    decoder = RecordDecoder("account_health", FileRegistry())
    return {decoder.decode(value)["day"] for *_, value in records(bootstrap, "account.health")}


def test_a_silent_days_close_needs_no_further_event(tmp_path: Path) -> None:
    now_ms = int(time.time() * 1000)
    today = now_ms // DAY_MS
    if DAY_MS - now_ms % DAY_MS < 2 * patience(LIMIT_S) * 1000:
        pytest.skip("midnight (UTC) is too near: out-of-orderness cannot be more than a day")
    settings = {
        "app.group": "live",
        "kafka.insecure": "true",
        "time.clock": "wall",
        # Yesterday is complete eight seconds from now.
        "time.out_of_orderness_s": (now_ms % DAY_MS) // 1000 + 8,
        "time.idle_timeout_s": 2,
        "time.tick_interval_s": 1,
        "metrics.port": free_port(),
    }
    config = tmp_path / "foreshock.toml"
    config.touch()
    with EmbeddedBroker([*TOPICS, "live-state-changelog"]) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "partitioner": "murmur2_random"})
        event = Encoder(TOPICS["usage.events"], FileRegistry()).encode(usage_of_yesterday(now_ms))
        producer.produce("usage.events", event, b"acme")
        assert producer.flush(patience(10)) == 0
        with running(
            *(sys.executable, "-m", "agents.demo.child", "worker", config),
            log=tmp_path / "worker.log",
            env=environment(settings | {"kafka.bootstrap": broker.bootstrap}),
            stdin=subprocess.PIPE,
        ) as worker:
            wait_until(
                lambda: today - 1 in closed_days(broker.bootstrap),
                "yesterday to be closed",
                LIMIT_S,
                meanwhile=lambda: worker.poll() is None,
            )
            worker.terminate()
            assert ended(worker) == 0
