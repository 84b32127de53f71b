"""Two workers share the partitions; one after the other joins, leaves, dies or freezes: the same result."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from agents.eventfiles.files import EventFiles
from tests.exactness.processes import SESSION_S, Deployment, Process
from tests.exactness.result import finish
from tests.exactness.story import CALM_SHARE, Feeding
from tests.servers.kafka import KafkaServer
from tests.support.patience import wait_until

pytestmark = [pytest.mark.servers, pytest.mark.faults, pytest.mark.timeout(300)]

LEASE_LOST = 75
SHARE = 0.08
"""Of the stream, produced during each act."""


def owned(worker: Process) -> list[set[int]]:
    """Partitions that it recovered or kept in each generation of the group."""
    generations = re.findall(r"recovered \[(.*?)\] .*; kept \[(.*?)\]", worker.text())
    return [{int(number) for part in found for number in re.findall(r"\d+", part)} for found in generations]


def guest_beside(host: Process, deployment: Deployment) -> Process:
    """A second worker that has got a share of the partitions."""
    before = len(owned(host))
    guest = deployment.worker()
    wait_until(lambda: bool(owned(guest)) and len(owned(host)) > before, "both workers to have partitions")
    assert owned(guest)[-1]
    assert owned(guest)[-1] | owned(host)[-1] == {0, 1, 2, 3}
    return guest


def await_take_over(host: Process) -> None:
    wait_until(lambda: owned(host)[-1] == {0, 1, 2, 3}, "the host to take over", meanwhile=host.alive)


def test_joining_leaving_dying_and_freezing_workers_leave_the_oracles_result(
    kafka: KafkaServer, story: EventFiles, group: str, folder: Path
) -> None:
    with (
        Deployment(kafka.bootstrap, group, folder) as deployment,
        Feeding(story, kafka.bootstrap) as feeding,
    ):
        host, deliver = deployment.worker(), deployment.deliver()
        host.wait_for("recovered")
        feeding.run(CALM_SHARE, 1.0)

        guest = guest_beside(host, deployment)
        feeding.run(SHARE, 2.0)
        assert guest.terminate() == 0
        feeding.run(SHARE, 1.0)

        guest = guest_beside(host, deployment)
        feeding.run(SHARE, 2.0)
        guest.kill9()
        feeding.run(SHARE, 1.0)
        await_take_over(host)

        guest = guest_beside(host, deployment)
        feeding.run(SHARE, 1.0)
        guest.send(signal.SIGSTOP)
        feeding.run(SHARE, 2.0 * SESSION_S)
        await_take_over(host)
        guest.send(signal.SIGCONT)
        assert guest.wait() == LEASE_LOST
        assert host.alive()
        finish(deployment, feeding, host, deliver)
