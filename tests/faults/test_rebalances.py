"""Workers on real Kafka that come and go, and brokers and topics that do: nothing is lost or counted twice."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.servers.kafka import KafkaServer
from tests.support.patience import wait_until
from tests.support.topics import delete_topics
from tests.support.workers import PARTITIONS, Source, WorkerProcess, await_counts, check, counts, recovered

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(400)]


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
