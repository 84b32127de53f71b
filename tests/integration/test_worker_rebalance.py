"""Two workers on real Kafka: joining, leaving, dying and freezing lose nothing and count nothing twice."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.servers.kafka import KafkaServer
from tests.support.fresh import PARTITIONS, QUICK_GROUPS, delete_topics, fresh_topics
from tests.support.workers import (
    Source,
    WorkerProcess,
    alerts,
    await_counts,
    counts,
    expected_alerts,
    recovered,
)

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(400)]

SESSION_MS = 6_000
_groups = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    with KafkaServer(partitions_default=PARTITIONS, extra_config=QUICK_GROUPS) as kafka:
        yield kafka


@pytest.fixture
def bootstrap(server: KafkaServer, group: str) -> str:
    return fresh_topics(server, group)


@pytest.fixture
def group() -> str:
    return f"rebalance-{next(_groups)}"


def check(bootstrap: str, group: str, source: Source, timeout_s: float = 60.0) -> None:
    """Every record counted once, every alert there, and the same id always with the same bytes."""
    feeds = await_counts(bootstrap, group, source.sent, timeout_s)
    assert counts(feeds) == source.sent
    ids, bodies = alerts(bootstrap)
    assert ids == expected_alerts(source.sent)
    assert all(len(different) == 1 for different in bodies.values())


def test_a_second_worker_joins_takes_its_share_and_leaves(bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    source.send(3_000)
    with WorkerProcess(bootstrap, group) as first:
        first.wait_until_running()
        with WorkerProcess(bootstrap, group) as second:
            second.wait_until_running()
            for _ in range(20):
                source.send(200)
                time.sleep(0.1)
            assert second.terminate() == 0
        source.send(2_000)
        check(bootstrap, group, source)
        assert first.alive()
        assert first.terminate() == 0


def test_workers_killed_while_others_take_over_count_every_record_once(bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    chance = random.Random(3)
    with WorkerProcess(bootstrap, group) as survivor:
        survivor.wait_until_running()
        for _ in range(3):
            with WorkerProcess(bootstrap, group) as victim:
                victim.wait_until_running()
                end = time.monotonic() + chance.uniform(0.5, 3)
                while time.monotonic() < end:
                    source.send(100)
                    time.sleep(0.02)
                victim.kill9()
        check(bootstrap, group, source)
        assert survivor.terminate() == 0


def test_a_frozen_worker_that_wakes_up_leaves_and_harms_nothing(bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    with WorkerProcess(bootstrap, group) as survivor:
        survivor.wait_until_running()
        for _ in range(2):
            with WorkerProcess(bootstrap, group) as zombie:
                zombie.wait_until_running()
                end = time.monotonic() + 2
                while time.monotonic() < end:
                    source.send(200)
                    time.sleep(0.02)
                zombie.pause()
                end = time.monotonic() + 3 * SESSION_MS / 1000
                while time.monotonic() < end:
                    source.send(50)
                    time.sleep(0.1)
                zombie.resume()
                assert zombie.wait(5) == 75
                source.send(500)
        check(bootstrap, group, source)
        assert survivor.terminate() == 0
    with WorkerProcess(bootstrap, group) as heir:
        heir.wait_until_running()
        source.send(100)
        check(bootstrap, group, source)


def test_a_storm_of_rebalances_loses_nothing(bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    with WorkerProcess(bootstrap, group) as steady:
        steady.wait_until_running()
        for round_number in range(6):
            with WorkerProcess(bootstrap, group) as guest:
                end = time.monotonic() + 4
                while time.monotonic() < end:
                    source.send(60)
                    time.sleep(0.05)
                if round_number % 2:
                    guest.kill9()
                else:
                    guest.terminate()
        check(bootstrap, group, source, 90)
        assert steady.terminate() == 0


def test_the_broker_dies_and_comes_back_and_nothing_is_lost(server: KafkaServer, bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    source.send(2_000)
    with WorkerProcess(bootstrap, group) as worker:
        worker.wait_until_running()
        source.send(500)
        server.kill9()
        time.sleep(5)
        server.start()
        source.send(2_000)
        check(bootstrap, group, source, 90)


def test_topics_recreated_under_the_state_are_refused_with_78_until_the_epoch_is_accepted(
    server: KafkaServer, bootstrap: str, group: str
) -> None:
    source = Source(bootstrap)
    source.send(1_000)
    with WorkerProcess(bootstrap, group) as worker:
        await_counts(bootstrap, group, source.sent)
        assert worker.terminate() == 0
    delete_topics(bootstrap, ["usage.events"])
    server.create_topics(["usage.events"], partitions=PARTITIONS)
    with WorkerProcess(bootstrap, group) as worker:
        assert worker.wait(60) == 78
        assert "recreated" in worker.output()
        assert "--accept-epoch" in worker.output()
    again = Source(bootstrap)
    again.send(400)
    held = Counter({key: count for key, count in source.sent.items() if key[1] == "billing.events"})
    with WorkerProcess(bootstrap, group, accept_epoch=True) as worker:
        worker.wait_until_running()
        deadline = time.monotonic() + 30
        while counts(recovered(bootstrap, group)) != held + again.sent:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_a_worker_stopped_while_it_starts_does_not_disturb_the_others(bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    with WorkerProcess(bootstrap, group) as steady:
        steady.wait_until_running()
        for wait_s in (0.8, 1.2, 1.6, 2.0, 2.4, 2.8):
            with WorkerProcess(bootstrap, group) as guest:
                time.sleep(wait_s)
                guest.terminate()
            source.send(100)
        check(bootstrap, group, source)
        assert steady.alive(), steady.output()[-2000:]
