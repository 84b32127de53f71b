"""A worker that dies or freezes at each named place: the next leaves nothing out and counts nothing twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from agents.process.failpoints import NAMES
from tests.servers.kafka import KafkaServer
from tests.support.patience import wait_until
from tests.support.workers import PARTITIONS, Source, WorkerProcess, check, fresh_topics

pytestmark = [pytest.mark.servers, pytest.mark.faults, pytest.mark.soak, pytest.mark.timeout(180)]

PLACES = [name for name in NAMES if not name.startswith("sink_") and "_fleet_" not in name]
SESSION_MS = 3_000
_groups = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    with KafkaServer(partitions_default=PARTITIONS) as kafka:
        yield kafka


def feed_until_hit(source: Source, worker: WorkerProcess, *, frozen: bool) -> None:
    """Produce a little at a time until the worker has met its end."""

    def met() -> bool:
        source.send(40)
        return not worker.alive() or (frozen and worker.frozen())

    wait_until(met, "the failpoint")


@pytest.mark.parametrize("nth", [1, 2, 7])
@pytest.mark.parametrize("name", PLACES)
def test_killed_at(server: KafkaServer, name: str, nth: int) -> None:
    group = f"killed-{next(_groups)}"
    bootstrap = fresh_topics(server, group)
    source = Source(bootstrap)
    source.send(300)
    with WorkerProcess(
        bootstrap, group, failpoint=f"{name}:{nth}", session_timeout_ms=SESSION_MS, checkpoint_interval_s=0.2
    ) as victim:
        feed_until_hit(source, victim, frozen=False)
        assert victim.wait() == -9
    source.send(300)
    with WorkerProcess(bootstrap, group, session_timeout_ms=SESSION_MS, checkpoint_interval_s=0.2):
        check(bootstrap, group, source)


@pytest.mark.parametrize("name", PLACES)
def test_frozen_past_its_session_at(server: KafkaServer, name: str) -> None:
    group = f"frozen-{next(_groups)}"
    bootstrap = fresh_topics(server, group)
    source = Source(bootstrap)
    source.send(300)
    with (
        WorkerProcess(
            bootstrap,
            group,
            failpoint=f"{name}:2:stop",
            session_timeout_ms=SESSION_MS,
            checkpoint_interval_s=0.2,
        ) as zombie,
        WorkerProcess(bootstrap, group, session_timeout_ms=SESSION_MS, checkpoint_interval_s=0.2) as heir,
    ):
        feed_until_hit(source, zombie, frozen=True)
        source.run(2 * SESSION_MS / 1000, 40)
        zombie.resume()
        assert zombie.wait() == 75
        source.send(300)
        check(bootstrap, group, source)
        assert heir.alive()
    with WorkerProcess(bootstrap, group, session_timeout_ms=SESSION_MS) as successor:
        successor.wait_until_running()
        source.send(50)
        check(bootstrap, group, source)
