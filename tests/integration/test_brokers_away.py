"""While no broker answers, a worker says so to probes and Prometheus, and goes on by itself when they are back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.kafka import KafkaServer
from tests.support.deployment import Deployment
from tests.support.pages import answer, scrape, total

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def kafka() -> Iterator[KafkaServer]:
    """A broker that may be killed."""
    with KafkaServer() as server:
        yield server


def test_a_worker_without_brokers_is_not_ready_until_they_are_back(kafka: KafkaServer, tmp_path: Path) -> None:
    deployment = Deployment(kafka, tmp_path)

    def is_ready() -> bool:
        status, _ = answer(deployment.port, "/-/ready")
        return status == 200 and total(scrape(deployment.port), "foreshock_ready") == 1

    def says_why() -> bool:
        status, said = answer(deployment.port, "/-/ready")
        return status == 503 and "no broker answers" in said and "foreshock_ready 0.0" in page()

    def page() -> str:
        return answer(deployment.port, "/metrics")[1]

    with deployment.worker() as worker:
        deployment.wait(worker, is_ready)
        kafka.kill9()
        deployment.wait(worker, says_why)
        assert answer(deployment.port, "/-/healthy")[0] == 200
        kafka.start()
        deployment.wait(worker, is_ready)
        deployment.end(worker, when=lambda: True)
