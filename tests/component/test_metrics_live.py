"""A real worker on the embedded broker: what rules and dashboard ask for is on its /metrics, with values that live."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from agents.kafka.embedded import PARTITIONS, EmbeddedBroker
from schemas.topics import INPUT_TOPICS, TOPICS
from tests.servers.ports import free_port
from tests.support.commands import running
from tests.support.hostile import Hostile, good_value
from tests.support.mixture import ACCOUNTS, FIRST_DAY, Mixture, Sent, mix
from tests.support.pages import Series, scrape, total
from tests.support.patience import patience, wait_until
from tests.support.repository import text

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

RECORD_BYTES = 2_048
TOO_LONG = Hostile("usage.events", b"victim", good_value("usage.events", properties={"note": "x" * 3_000}), "too long")
SPOILT = Hostile("billing.events", b"victim", b"no Avro", "bytes")

OF_DELIVERY = {"foreshock_sink_lag_records", "foreshock_portfolio_ratio"}
"""Series that a worker never has; see `test_deliver_process`."""


def asked_for() -> set[str]:
    """Every series that a rule or a panel names."""
    pages = text("deploy/prometheus/rules.yml") + text("deploy/grafana/foreshock.json")
    return set(re.findall(r"(?<![:\w])foreshock_\w+", pages))


def produce(bootstrap: str, mixture: Mixture) -> int:
    """Send everything; how many records that were."""
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "log_level": 0})
    count = 0
    for each in mixture.records:
        for partition in range(PARTITIONS) if each.is_tick else (-1,):
            producer.produce(each.topic, each.value, each.key, partition)
            count += 1
        producer.poll(0)
    assert producer.flush(patience(30)) == 0
    return count


def profiles() -> list[Sent]:
    """A profile for each account: every other one in a segment of the default ones."""
    accounts = [f"acct-{number:03}" for number in range(ACCOUNTS)]
    return [
        Sent(
            "account.profiles",
            account.encode(),
            good_value(
                "account.profiles",
                account_id=account,
                updated_at=FIRST_DAY * 86_400_000,
                segment=("smb", "galactic")[number % 2],
            ),
        )
        for number, account in enumerate(accounts)
    ]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Series, int]]:
    """What a worker shows once it has applied everything, and how many records that were."""
    folder = tmp_path_factory.mktemp("metrics")
    port = free_port()
    mixture = mix([TOO_LONG, SPOILT])
    mixture.records[:0] = profiles()
    with EmbeddedBroker([*TOPICS, "foreshock-state-changelog"]) as broker:
        config = folder / "foreshock.toml"
        config.write_text(
            f'[kafka]\nbootstrap = "{broker.bootstrap}"\n[app]\npartitions = {PARTITIONS}\n[time]\nclock = "events"\n'
            f"[limits]\nrecord_bytes = {RECORD_BYTES}\n[metrics]\nport = {port}\n"
        )
        sent = produce(broker.bootstrap, mixture)
        command, log = [sys.executable, "-m", "agents.demo.child", "worker", config], folder / "worker.log"
        with running(*command, log=log, stdin=subprocess.PIPE):
            wait_until(lambda: complete(scrape(port), sent), log.read_text, 90.0)
            yield scrape(port), sent


def complete(series: Series, sent: int) -> bool:
    """Whether everything was applied, made durable and measured."""
    lags = series.get("foreshock_consumer_lag_records", {})
    return (
        total(series, "foreshock_records_total") >= sent
        and total(series, "foreshock_accounts") >= ACCOUNTS
        and total(series, "foreshock_dead_letters_total") >= 2
        and len(lags) == PARTITIONS * len(INPUT_TOPICS)
        and sum(lags.values()) == 0
    )


@pytest.mark.parametrize("name", sorted(asked_for() - OF_DELIVERY))
def test_what_a_rule_or_a_panel_asks_for_is_on_the_page(scraped: tuple[Series, int], name: str) -> None:
    assert name in scraped[0]


def test_records_are_counted_by_fate_and_reason(scraped: tuple[Series, int]) -> None:
    series, sent = scraped
    assert total(series, "foreshock_records_total") == sent
    assert total(series, "foreshock_records_total", fate="dead_lettered") == 2
    assert total(series, "foreshock_dead_letters_total", topic="usage.events", reason="oversize") == 1
    assert total(series, "foreshock_dead_letters_total", topic="billing.events", reason="not_framed") == 1
    assert total(series, "foreshock_dead_letters_total") == 2
    assert total(series, "foreshock_batch_records_sum") == sent


def test_accounts_are_shown_by_band_and_segment_and_by_partition(scraped: tuple[Series, int]) -> None:
    series, _ = scraped
    shown = {dict(labels)["segment"] for labels in series["foreshock_accounts"]}
    assert {each: total(series, "foreshock_accounts", segment=each) for each in shown} == {
        "smb": ACCOUNTS / 2,
        "galactic": ACCOUNTS / 2,
        "other": 0,
    }
    assert total(series, "foreshock_state_accounts") == ACCOUNTS
    assert len(series["foreshock_state_bytes"]) == PARTITIONS
    assert total(series, "foreshock_state_bytes") > 100_000


def test_time_is_shown_for_each_partition(scraped: tuple[Series, int]) -> None:
    series, _ = scraped
    closed = series["foreshock_day_closed_timestamp_seconds"]
    assert len(closed) == PARTITIONS
    assert {seconds % 86_400 for seconds in closed.values()} == {0.0}
    assert min(closed.values()) > FIRST_DAY * 86_400
    watermarks = series["foreshock_watermark_timestamp_seconds"]
    assert len(watermarks) == PARTITIONS * len(INPUT_TOPICS)
    for labels, seconds in watermarks.items():
        assert seconds >= closed[tuple(label for label in labels if label[0] == "partition")]


def test_every_alert_is_timed_from_the_arrival_of_its_record(scraped: tuple[Series, int]) -> None:
    series, _ = scraped
    alerts = total(series, "foreshock_alerts_total")
    assert total(series, "foreshock_alerts_total", kind="payment_failed", status="firing") > 0
    assert total(series, "foreshock_event_to_alert_seconds_count") == alerts > 0
    assert 0 < total(series, "foreshock_event_to_alert_seconds_sum") / alerts < 120
    assert 0 < total(series, "foreshock_detection_latency_seconds_count") <= alerts


def test_checkpoints_and_recovery_are_measured(scraped: tuple[Series, int]) -> None:
    series, _ = scraped
    assert total(series, "foreshock_checkpoint_seconds_count") > 0
    assert total(series, "foreshock_checkpoint_entries_total") >= ACCOUNTS
    assert total(series, "foreshock_checkpoint_bytes_total") > 10_000
    assert total(series, "foreshock_recovery_seconds") > 0
    assert total(series, "foreshock_state_invariant_violations_total") == 0
