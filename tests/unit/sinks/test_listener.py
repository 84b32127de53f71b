from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sinks.listener import Listener
from sinks.metrics import Metrics


class Process:
    """What the probes ask."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.sick: str | None = None
        self.busy: str | None = None


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def client(process: Process) -> Iterator[httpx.Client]:
    listener = Listener(process.metrics.registry, healthy=lambda: process.sick, ready=lambda: process.busy)
    with listener, httpx.Client(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False) as client:
        yield client


def test_metrics_are_shown_as_they_are_now(process: Process, client: httpx.Client) -> None:
    for count in (1, 2):
        process.metrics.rebalance()
        answer = client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        [family] = [f for f in text_string_to_metric_families(answer.text) if f.name == "foreshock_rebalances"]
        assert family.samples[0].value == count


def test_openmetrics_is_spoken_to_who_asks_for_it(client: httpx.Client) -> None:
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_a_probe_is_200_until_something_is_wrong_and_then_503_with_the_reason(
    process: Process, client: httpx.Client
) -> None:
    assert [client.get(f"/-/{probe}").status_code for probe in ("healthy", "ready")] == [200, 200]
    process.busy = "recovering"
    assert client.get("/-/healthy").status_code == 200
    answer = client.get("/-/ready")
    assert (answer.status_code, answer.text) == (503, "recovering\n")
    process.sick = "stuck"
    assert client.get("/-/healthy").text == "stuck\n"


def test_nothing_else_is_served(client: httpx.Client) -> None:
    assert client.get("/").status_code == 404
    assert client.get("/metrics/../etc").status_code == 404
    assert client.post("/metrics").status_code == 501
    assert client.head("/-/healthy").text == ""


def test_a_client_that_says_nothing_does_not_keep_others_waiting(client: httpx.Client) -> None:
    port = client.base_url.port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port)):
        assert client.get("/-/healthy").status_code == 200


def test_a_port_that_is_taken_is_an_error_at_once_and_free_again_after_the_end() -> None:
    with Listener(Metrics().registry) as listener:
        port = listener.port
        with pytest.raises(OSError, match="in use"):
            Listener(Metrics().registry, port=port)
    with Listener(Metrics().registry, port=port) as again:
        assert again.port == port
