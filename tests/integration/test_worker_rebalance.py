"""Two workers on real Kafka: joining, leaving, dying and freezing lose nothing and count nothing twice."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.servers.kafka import KafkaServer
from tests.support.patience import wait_until
from tests.support.topics import delete_topics
from tests.support.workers import (
    PARTITIONS,
    Source,
    WorkerProcess,
    await_counts,
    check,
    counts,
    fresh_topics,
    recovered,
)

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(400)]

SESSION_MS = 6_000
_groups = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    with KafkaServer(partitions_default=PARTITIONS) as kafka:
        yield kafka


@pytest.fixture
def bootstrap(server: KafkaServer, group: str) -> str:
    return fresh_topics(server, group)


@pytest.fixture
def group() -> str:
    return f"rebalance-{next(_groups)}"


def test_a_second_worker_joins_takes_its_share_and_leaves(bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    source.send(3_000)
    with WorkerProcess(bootstrap, group) as first:
        first.wait_until_running()
        with WorkerProcess(bootstrap, group) as second:
            second.wait_until_running()
            source.run(2, 200)
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
                source.run(chance.uniform(0.5, 3), 100)
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
                source.run(2, 200)
                zombie.pause()
                source.run(3 * SESSION_MS / 1000, 50)
                zombie.resume()
                assert zombie.wait() == 75
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
                source.run(4, 60)
                if round_number % 2:
                    guest.kill9()
                else:
                    guest.terminate()
        check(bootstrap, group, source)
        assert steady.terminate() == 0


def test_the_broker_dies_and_comes_back_and_nothing_is_lost(server: KafkaServer, bootstrap: str, group: str) -> None:
    source = Source(bootstrap)
    source.send(2_000)
    with WorkerProcess(bootstrap, group) as worker:
        worker.wait_until_running()
        source.send(500)
        server.kill9()
        worker.wait_until_told("brokers are down")
        server.start()
        source.send(2_000)
        check(bootstrap, group, source)


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
        assert worker.wait() == 78
        assert "recreated" in worker.output()
        assert "--accept-epoch" in worker.output()
    again = Source(bootstrap)
    again.send(400)
    held = Counter({key: count for key, count in source.sent.items() if key[1] == "billing.events"})
    with WorkerProcess(bootstrap, group, accept_epoch=True) as worker:
        worker.wait_until_running()
        wait_until(lambda: counts(recovered(bootstrap, group)) == held + again.sent, "the new records to be counted")


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
