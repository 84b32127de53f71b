"""`foreshock deliver` as a process: a sink for each destination that the settings name, and none waits for another."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.demo.processes import Child
from agents.demo.processes import environment as environment_of
from agents.kafka.embedded import EmbeddedBroker
from sinks.channels.webhook import WebhookReceiver
from sinks.clock import wall_clock_ms
from sinks.database.migrate import upgrade
from sinks.delivery import PROJECTIONS
from tests.servers.ports import free_port
from tests.support.cases import case
from tests.support.commands import FORESHOCK, running
from tests.support.databases import rows
from tests.support.destinations import receiving
from tests.support.pages import answer, scrape, total
from tests.support.patience import Patience, ended, wait_until
from tests.support.receivers import SECRET, HttpStandIn, stand_in_of
from tests.unit.sinks.delivering import send
from tests.unit.sinks.records import ALERTS, HEALTH, alert, health

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def ready(port: int) -> str | None:
    """What /-/ready complains of; None: nothing."""
    status, said = answer(port, "/-/ready")
    return None if status == 200 else said


def stored(url: str) -> Callable[[int], bool]:
    return lambda count: rows(url, "SELECT COUNT(*) AS n FROM alerts") == [{"n": count}]


def test_a_webhook_that_is_away_holds_up_no_database_and_gets_everything_later(tmp_path: Path) -> None:
    url, port, log = f"sqlite:///{tmp_path / 'foreshock.db'}", free_port(), tmp_path / "deliver.log"
    config = tmp_path / "foreshock.toml"
    config.write_text('[log]\nlevel = "info"\n')
    upgrade(url)
    has_alerts = stored(url)
    with EmbeddedBroker([*PROJECTIONS, "dead.letters"]) as broker, receiving() as receiver:
        send(broker.bootstrap, ALERTS, [alert(f"a{n}") for n in range(5)])
        send(broker.bootstrap, HEALTH, [health("a1")])
        settings = {
            "kafka.bootstrap": broker.bootstrap,
            "database.url": url,
            "metrics.port": port,
            "webhook.url": receiver.url,
            "webhook.secret": receiver.secret,
        }
        with Child("deliver", config, settings, log) as deliver:
            with receiver.away():
                wait_until(lambda: has_alerts(5), seconds=60)
                wait_until(lambda: "webhook: the webhook answers with status 503" in (ready(port) or ""))
                wait_until(lambda: total(scrape(port), "foreshock_sink_lag_records", sink="webhook") == 5)
                assert total(scrape(port), "foreshock_ready") == 0
            wait_until(lambda: receiver.revisions() == [(f"a{n}", 1) for n in range(5)])
            wait_until(lambda: ready(port) is None)
            assert receiver.taken() == 5
            shown = answer(port, "/metrics")[1]
            for sink in ("database", "webhook"):
                assert re.search(rf'^foreshock_sink_lag_records{{[^}}]*sink="{sink}".*}} 0\.0$', shown, re.MULTILINE)
            deliver.stop()
        said = log.read_text()
    assert "delivering to: database, webhook" in said
    assert receiver.secret not in said
    assert "/hook" not in said


def test_a_case_is_told_of_by_deliver_and_notify(tmp_path: Path) -> None:
    url, port, log = f"sqlite:///{tmp_path / 'foreshock.db'}", free_port(), tmp_path / "log"
    config = tmp_path / "foreshock.toml"
    config.write_text(
        """
        [[receivers]]
        name = "hook"
        channel = "webhook"
        [[routes]]
        receiver = "hook"
        """
    )
    upgrade(url)
    stand_in = stand_in_of("webhook", tmp_path)
    assert isinstance(stand_in.receiver, WebhookReceiver)
    assert isinstance(stand_in, HttpStandIn)
    settings = {
        "database.url": url,
        "receivers.hook__url": stand_in.receiver.url.get_secret_value(),
        "receivers.hook__secret": SECRET,
    }
    now_ms = wall_clock_ms()
    said = case(severity="critical", opened_at=now_ms, updated_at=now_ms)
    notify = [*FORESHOCK, "notify", "--config", config]
    environment = environment_of(settings | {"metrics.port": port})
    with (
        EmbeddedBroker([*PROJECTIONS, "dead.letters"]) as broker,
        Child("deliver", config, settings | {"kafka.bootstrap": broker.bootstrap, "metrics.port": 0}, log),
        running(*notify, log=tmp_path / "notify.log", env=environment) as notifying,
    ):
        send(broker.bootstrap, "cases", [said])
        wait_until(lambda: "hook: hook does not answer: ConnectError" in (ready(port) or ""))
        stand_in.start()
        wait_until(lambda: len(stand_in.posts) == 1)
        send(broker.bootstrap, "cases", [said | {"revision": 2, "status": "acknowledged"}, said])
        wait_until(lambda: len(stand_in.posts) == 2)
        wait_until(lambda: ready(port) is None)
        shown = answer(port, "/metrics")[1]
        notifying.terminate()
        assert ended(notifying) == 0
    stand_in.stop()
    assert [post.content["type"] for post in stand_in.posts] == ["case.opened", "case.acknowledged"]
    assert re.search(r'^foreshock_notify_messages_total{receiver="hook",result="sent"} 2\.0$', shown, re.MULTILINE)


def test_without_an_address_only_the_database_is_delivered_to(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path / 'foreshock.db'}", tmp_path / "deliver.log"
    config = tmp_path / "foreshock.toml"
    config.write_text('[log]\nlevel = "info"\n')
    upgrade(url)
    has_alerts = stored(url)
    with EmbeddedBroker([*PROJECTIONS, "dead.letters"]) as broker:
        send(broker.bootstrap, ALERTS, [alert("a")])
        settings = {"kafka.bootstrap": broker.bootstrap, "database.url": url, "metrics.port": 0}
        with Child("deliver", config, settings, log) as deliver:
            wait_until(lambda: has_alerts(1), seconds=60)
            limit = Patience(20)
            deliver.stop()
            assert not limit.lost()
    said = log.read_text()
    assert "delivering to: database" in said
    assert "webhook" not in said
