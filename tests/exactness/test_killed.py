"""Workers killed at random moments and at every named place: nothing is missing then, nothing is there twice."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from random import Random

import pytest

from agents.eventfiles.files import EventFiles
from agents.process.exits import ExitCode
from agents.process.failpoints import NAMES
from tests.exactness.processes import Deployment, Process
from tests.exactness.result import finish, following
from tests.exactness.settings import MANY_SCORECARDS
from tests.exactness.story import CALM_SHARE, Feeding, write_crowd
from tests.servers.kafka import KafkaServer
from tests.support.patience import Patience
from tests.support.topics import alter

pytestmark = [pytest.mark.servers, pytest.mark.faults, pytest.mark.timeout(400)]

SEED = int(os.environ.get("FORESHOCK_TEST_SEED", "0")) or time.time_ns() % 1_000_000
"""Set the variable to repeat a run."""
ROUNDS = 20
HITS = (1, 2, 7)
MANY = (3, 4, 3, 2, 3) * 3
"""More than enough: every second death or so cuts a checkpoint."""
KILLED = -9
_LOOK_S = 0.02
_REACHED_IN_S = 60.0


def test_twenty_workers_killed_at_random_moments_leave_the_oracles_result(
    kafka: KafkaServer, story: EventFiles, group: str, folder: Path
) -> None:
    print(f"repeat with FORESHOCK_TEST_SEED={SEED}")
    random = Random(SEED)
    share = (0.95 - CALM_SHARE) / ROUNDS
    with (
        Deployment(kafka.bootstrap, group, folder, MANY_SCORECARDS, idle_ticks=True) as deployment,
        Feeding(story, kafka.bootstrap) as feeding,
    ):
        deliver = deployment.deliver()
        feeding.run(CALM_SHARE, 1.0)
        for _ in range(ROUNDS):
            worker = deployment.worker()
            if random.random() < 0.8:
                worker.wait_for("recovered")
                feeding.run(share, random.uniform(0.05, 1.5))
            else:
                feeding.run(share, random.uniform(0.5, 3.0))
            worker.kill9()
            deployment.forget_dead_members()
        last = deployment.worker()
        finish(deployment, feeding, last, deliver)


class Victims:
    """One process after the other, each armed with the next failpoint, and one that may live at the end."""

    def __init__(self, deployment: Deployment, command: str, group: str, points: Iterable[str]) -> None:
        self._deployment, self._command, self._group = deployment, command, group
        self._left = deque(points)
        self.hit: list[str] = []
        self.process = self._start()

    @property
    def done(self) -> bool:
        """Whether all points were hit."""
        return not self._left

    def look(self) -> None:
        """Start the next one if this one has met its end."""
        if self.process.alive():
            assert self.done or not self._limit.lost(), self._left[0]
            return
        assert self.process.wait() == KILLED, self.process.tail()
        self.hit.append(self._left.popleft())
        print(self.hit[-1])
        self._deployment.forget_dead_members(self._group)
        self.process = self._start()

    def _start(self) -> Process:
        self._limit = Patience(_REACHED_IN_S)
        return self._deployment.start(self._command, self._left[0] if self._left else None)


def test_killed_at_each_named_place_at_its_first_second_and_seventh_hit(
    kafka: KafkaServer, story: EventFiles, group: str, folder: Path
) -> None:
    points = [f"{name}:{nth}" for name, nth in product(NAMES, HITS) if not name.startswith("notify_")]
    places = {"deliver": [point for point in points if point.startswith("sink_")]}
    places["worker"] = [point for point in points if point not in places["deliver"]]
    with (
        Deployment(kafka.bootstrap, group, folder, MANY_SCORECARDS) as deployment,
        Feeding(story, kafka.bootstrap) as feeding,
    ):
        workers = Victims(deployment, "worker", group, places["worker"])
        delivers = Victims(deployment, "deliver", f"{group}-deliver", places["deliver"])
        feeding.run(CALM_SHARE, 1.0)
        while not (workers.done and delivers.done):
            workers.look()
            delivers.look()
            feeding.run(0.00006, _LOOK_S)
        assert sorted(workers.hit + delivers.hit) == sorted(points)
        print(f"{feeding.share:.2f} of the stream")
        finish(deployment, feeding, workers.process, delivers.process)


def test_accounts_ahead_of_a_checkpoint_that_was_cut_count_nothing_twice(
    kafka: KafkaServer, group: str, folder: Path
) -> None:
    crowd = write_crowd(folder / "crowd")
    with (
        Deployment(kafka.bootstrap, group, folder) as deployment,
        Feeding(crowd, kafka.bootstrap, poison=False) as feeding,
        following(deployment) as log,
    ):
        deliver = deployment.deliver()
        feeding.allow(0.5)
        for nth in MANY:
            worker = deployment.worker(f"after_state_send_unacked:{nth}")
            assert worker.wait() == KILLED
            deployment.forget_dead_members()
            log.positions()
            if log.cuts:
                break
            feeding.run(0.04, 0.1)
        assert log.cuts
        finish(deployment, feeding, deployment.worker(), deliver)


def test_alerts_that_the_broker_refuses_are_published_once_it_takes_them(
    kafka: KafkaServer, story: EventFiles, group: str, folder: Path
) -> None:
    with (
        Deployment(kafka.bootstrap, group, folder) as deployment,
        Feeding(story, kafka.bootstrap) as feeding,
    ):
        deliver = deployment.deliver()
        alter(kafka.bootstrap, "alerts.health", "max.message.bytes", "50")
        unheard = deployment.worker()
        feeding.run(CALM_SHARE, 2.0)
        assert unheard.wait() == ExitCode.BROKEN
        deployment.forget_dead_members()
        alter(kafka.bootstrap, "alerts.health", "max.message.bytes", "1000000")
        finish(deployment, feeding, deployment.worker(), deliver)
