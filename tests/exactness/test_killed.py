"""Workers killed at random moments under load: nothing is missing then, nothing is there twice."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import pytest

from agents.eventfiles import EventFiles
from tests.servers.kafka import KafkaServer
from tests.support.exactness import assert_delivered, assert_exact, repeats
from tests.support.exactness_processes import Deployment
from tests.support.exactness_story import Feeding

pytestmark = [pytest.mark.servers, pytest.mark.faults, pytest.mark.timeout(400)]

ROUNDS = 20
SEED = int(os.environ.get("FORESHOCK_TEST_SEED", "0")) or time.time_ns() % 1_000_000
"""Set the variable to repeat a run."""


def test_twenty_workers_killed_at_random_moments_leave_the_oracles_result(
    server: KafkaServer, story: EventFiles, group: str, folder: Path
) -> None:
    print(f"repeat with FORESHOCK_TEST_SEED={SEED}")
    random = Random(SEED)
    with Deployment(server.bootstrap, group, folder, idle_ticks=True) as deployment, Feeding(story, server.bootstrap) as feeding:
        deliver = deployment.deliver()
        for number in range(ROUNDS):
            T=time.time()
            worker = deployment.worker()
            if random.random() < 0.8:
                worker.wait_for("recovered")
                T2=time.time()
                feeding.run(0.9 / ROUNDS, random.uniform(0.05, 1.5))
            else:
                feeding.run(0.9 / ROUNDS, random.uniform(0.5, 4.0))
                T2=time.time()
            worker.kill9()
            T3=time.time()
            deployment.forget_dead_members()
            print(number,T2-T,T3-T2,time.time()-T3)
        T=time.time()
        last = deployment.worker()
        feeding.finish()
        print(time.time()-T)
        alerts = assert_exact(deployment)
        print(time.time()-T)
        assert_delivered(deployment, alerts)
        print(time.time()-T)
        print(f"{repeats(deployment)} alert records were published again")
        assert last.terminate() == 0
        assert deliver.terminate() == 0
