"""From an event to a case that somebody works on: real Kafka, PostgreSQL, Alertmanager and browser, all processes."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from playwright.sync_api import Page, expect

from schemas.codec.encode import RecordDecoder
from schemas.commands import command
from schemas.registry.source import FileRegistry
from schemas.topics import DAY_MS, TICK_KEY, TOPICS
from sinks.database.migrate import upgrade
from tests.servers.kafka import KafkaServer
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer
from tests.servers.prometheus import AlertmanagerServer
from tests.support.browser import chromium
from tests.support.databases import rows
from tests.support.deployment import Deployment
from tests.support.pages import answer
from tests.support.patience import patience, wait_until
from tests.support.receivers import HttpStandIn, stand_in_of
from tests.support.topics import records
from tests.support.wire import value

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(400)]

SETTINGS = """
[database]
url = "{database}"
[console]
port = {console}
[notify]
immediate = "warning"
[[receivers]]
name = "slack"
channel = "slack"
[[receivers]]
name = "duty"
channel = "alertmanager"
[[routes]]
receiver = "slack"
[[routes]]
receiver = "duty"
"""


@dataclass
class Place:
    """A deployment with all its processes, and what stands around it."""

    deployment: Deployment
    database: str
    console: str
    slack: HttpStandIn
    alertmanager: AlertmanagerServer
    producer: Producer

    def send(self, topic: str, **fields: Any) -> None:
        """Produce one record, as its producer would."""
        self.producer.produce(topic, value(topic, **fields), fields["account_id"].encode())
        assert self.producer.flush(patience(30)) == 0

    def fail_payment(self, account: str, at_ms: int, times: int = 1) -> None:
        """An invoice of the account could not be charged."""
        for number in range(times):
            self.send(
                "billing.events",
                account_id=account,
                event_id=f"{account}-{at_ms}-{number}",
                type="payment_failed",
                invoice_id=f"{account}-1",
                occurred_at=at_ms + number,
            )

    def cases(self, account: str) -> list[dict[str, Any]]:
        """The cases of an account in the database."""
        return rows(self.database, f"SELECT * FROM cases WHERE account_id = '{account}'")

    def published(self, topic: str) -> list[dict[str, Any]]:
        """Everything in an output topic."""
        decode = RecordDecoder(TOPICS[topic].schema, FileRegistry()).decode
        found = records(self.deployment.bootstrap, topic)
        return [decode(content) for _, _, key, content in found if content and key != TICK_KEY]

    def firing(self) -> list[dict[str, Any]]:
        """What Alertmanager holds and has not ended."""
        with urllib.request.urlopen(f"{self.alertmanager.url}/api/v2/alerts", timeout=patience(5)) as page:
            found: list[dict[str, Any]] = json.load(page)
            return found


@pytest.fixture
def place(
    kafka: KafkaServer, postgres: PostgresServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Place]:
    database = postgres.create_database(f"cases{abs(hash(tmp_path)):x}")
    upgrade(database)
    port, slack = free_port(), stand_in_of("slack", tmp_path)
    assert isinstance(slack, HttpStandIn)
    with ExitStack() as stack:
        slack.start()
        stack.callback(slack.stop)
        alertmanager = stack.enter_context(AlertmanagerServer())
        deployment = Deployment(
            kafka,
            tmp_path,
            SETTINGS.format(database=database, console=port),
            time=request.param,
            environment={
                "FORESHOCK_RECEIVERS__SLACK__URL": slack.receiver.url.get_secret_value(),  # type: ignore[attr-defined]
                "FORESHOCK_RECEIVERS__DUTY__URL": alertmanager.url,
            },
        )
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "partitioner": "murmur2_random", "log_level": 0})
        worker = stack.enter_context(deployment.worker())
        for name in ("deliver", "notify", "console"):
            stack.enter_context(deployment.process(name))
        deployment.wait(worker, lambda: answer(port, "/inbox")[0] == 200)
        yield Place(deployment, database, f"http://127.0.0.1:{port}", slack, alertmanager, producer)
        for log in tmp_path.glob("*.log"):
            print(log.name, log.read_text()[-2_000:])


@pytest.fixture
def page(place: Place) -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_context(base_url=place.console).new_page()
        expect.set_options(timeout=patience(10.0) * 1000)
        page.goto("/inbox")
        yield page


@pytest.mark.parametrize(
    "place", ["idle_timeout_s = 2.0\ntick_interval_s = 2.0\nout_of_orderness_s = 0"], indirect=True
)
def test_an_event_becomes_a_case_that_is_acknowledged_and_closed_by_key(place: Place, page: Page) -> None:
    expect(page.locator("li.nothing")).to_be_visible()
    place.fail_payment("acme", int(time.time() * 1000), times=2)

    shown = page.locator("li.case")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("payment failed")
    wait_until(lambda: len(place.slack.posts) >= 1 and place.firing() != [], "people to be told")

    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(shown).to_contain_text("acknowledged")
    expect(shown).to_contain_text("payment failed")
    [case] = place.cases("acme")
    assert (case["status"], case["acknowledged_by"]) == ("acknowledged", "local")
    [sent] = place.published("alert.commands")
    assert (sent["action"], sent["case_id"]) == ("acknowledge", case["case_id"])
    [told] = place.published("command.results")
    assert (told["command_id"], told["result"]) == (sent["command_id"], "applied")
    assert place.published("cases")[-1]["status"] == "acknowledged"
    wait_until(lambda: "cknowledged" in json.dumps(place.slack.posts[-1].content), "the channel to know")

    page.keyboard.press("f")
    expect(page.locator("li.nothing")).to_be_visible()
    wait_until(lambda: place.cases("acme")[0]["status"] == "closed", "the case to be closed")
    assert place.cases("acme")[0]["outcome"] == "false_alarm"
    wait_until(lambda: place.firing() == [], "the alert to end")
    [judged] = rows(place.database, "SELECT * FROM v_feedback WHERE kind = 'payment_failed' AND false_alarm > 0")
    assert judged["n"] == 1
    page.goto("/rules")
    expect(page.locator("#kind-payment_failed")).to_contain_text("100 %")


@pytest.mark.parametrize("place", ['clock = "events"\nidle_timeout_s = 2.0\ntick_interval_s = 1.0'], indirect=True)
def test_a_snooze_returns_when_it_is_over(place: Place, page: Page) -> None:
    now_ms = int(time.time() * 1000)
    day = now_ms // DAY_MS - 20

    def live(first: int, last: int) -> None:
        for each in range(first, last):
            place.send("usage.events", account_id="acme", event_id=f"u{each}", occurred_at=each * DAY_MS + 1)

    live(day, day + 3)
    place.fail_payment("acme", (day + 2) * DAY_MS + 2)
    wait_until(lambda: len(place.cases("acme")) == 1, "a case")
    [case] = place.cases("acme")
    snooze = command(
        account_id="acme", action="snooze", author="ann", issued_at=(day + 2) * DAY_MS + 3, case_id=case["case_id"],
        until=(day + 6) * DAY_MS, note="they promised to pay",
    )  # fmt: skip
    place.send("alert.commands", **snooze)
    wait_until(lambda: place.cases("acme")[0]["status"] == "snoozed", "the case to sleep")
    expect(page.locator("li.nothing")).to_be_visible()
    live(day + 3, day + 9)
    expect(page.locator("li.case")).to_have_count(1)
    expect(page.locator("li.case")).to_contain_text("payment failed")
    assert place.cases("acme")[0]["status"] == "open"
