"""Portfolio figures of a live deployment: those of the same events in files, whatever is delivered twice or late."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Producer
from sqlalchemy import text

from agents.delivery.portfolio import PortfolioKeeper
from agents.eventfiles.files import EventFiles
from agents.kafka.embedded import EmbeddedBroker
from agents.portfolio import portfolio_of
from pipeline.portfolio.facts import KEPT_TYPES
from pipeline.portfolio.measure import GROWTH_MONTHS, Figure, Portfolio
from pipeline.portfolio.periods import Period, month_before
from pipeline.simulate import SimulationSettings, simulate
from schemas.codec.encode import Encoder, TickEncoder
from schemas.registry.source import FileRegistry
from schemas.topics import TICK_KEY, TOPICS
from sinks.database.engine import open_engine
from sinks.database.migrate import upgrade
from sinks.database.portfolio import PortfolioStore
from sinks.database.sink import DatabaseSink
from sinks.delivery import PROJECTIONS, Advance, DeliveryBatch, DeliveryRecord, Projection
from sinks.metrics import Metrics
from tests.support.databases import rows
from tests.support.patience import patience, wait_until
from tests.unit.sinks.delivering import delivering, send
from tests.unit.sinks.records import health

TOPIC_TABLES = {"billing.events": "billing", "ticket.events": "tickets", "customer.signals": "signals"}
Value = Mapping[str, Any]


@pytest.fixture(scope="module")
def files() -> EventFiles:
    return EventFiles.of(simulate(SimulationSettings(seed=5, accounts=12, days=100)))


@pytest.fixture(scope="module")
def records(files: EventFiles) -> list[DeliveryRecord]:
    """Every event of the three topics, as one partition of each."""
    return [
        DeliveryRecord(topic, 0, offset, Projection.FACT, dict(row))
        for topic, name in TOPIC_TABLES.items()
        for offset, row in enumerate(getattr(files, name).to_pylist())
    ]


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@pytest.fixture
def sink(url: str) -> Iterator[DatabaseSink]:
    sink = DatabaseSink(url)
    yield sink
    sink.close()


@pytest.fixture
def store(url: str) -> Iterator[PortfolioStore]:
    store = PortfolioStore(url)
    yield store
    store.close()


def deliver(sink: DatabaseSink, given: list[DeliveryRecord]) -> None:
    """Write records without positions, in pieces."""
    for first in range(0, len(given), 50):
        sink.write(DeliveryBatch(given[first : first + 50], []))


def segments(sink: DatabaseSink, files: EventFiles) -> None:
    """Bring the accounts' segments into the database, as their health does."""
    for row in files.profiles.select(["account_id", "segment"]).to_pylist():
        context = {**health()["context"], "segment": row["segment"]}
        value = health(row["account_id"], 20_000, context=context, band="green")
        sink.write(DeliveryBatch([DeliveryRecord("account.health", 0, 0, Projection.HEALTH, value)], []))


def months(portfolio: Portfolio) -> list[Figure]:
    """The figures of whole months that need no usage and no bands."""
    usage = {"dau_mau", "dau_mau_week_days", "actions_per_user", "active_hours_per_user", "visits_per_user", "rollout"}
    return [each for each in portfolio.figures if each.period == "month" and each.metric not in usage]


def stored(url: str) -> list[tuple[Any, ...]]:
    names = "period, starts_on, ends_on, segment, metric, dimension, value, n, low, high"
    found = rows(url, f"SELECT {names} FROM v_portfolio_metrics WHERE period = 'month'")
    return sorted((tuple(row.values()) for row in found), key=str)


def expected(files: EventFiles) -> list[tuple[Any, ...]]:
    made = [
        (e.period, e.starts_on, e.ends_on, e.segment, e.metric, e.dimension, e.value, e.n, e.low, e.high)
        for e in months(portfolio_of(files, "UTC"))
    ]
    return sorted(made, key=str)


def keeper(store: PortfolioStore, metrics: Metrics | None = None) -> PortfolioKeeper:
    return PortfolioKeeper(store, "UTC", metrics or Metrics())


def test_the_database_has_the_figures_of_the_same_events_in_files(
    sink: DatabaseSink, store: PortfolioStore, url: str, files: EventFiles, records: list[DeliveryRecord]
) -> None:
    deliver(sink, records)
    segments(sink, files)
    keeper(store).refresh()
    found = stored(url)
    assert len(found) > 100
    assert found == expected(files)


def test_accounts_for_tests_are_in_no_figure(
    sink: DatabaseSink, store: PortfolioStore, url: str, files: EventFiles, records: list[DeliveryRecord]
) -> None:
    deliver(sink, records)
    segments(sink, files)
    ours = sorted(files.profiles["account_id"].unique().to_pylist())[::2]
    for name in ours:
        value = health(name, 20_001, band="green", life="test")
        sink.write(DeliveryBatch([DeliveryRecord("account.health", 0, 0, Projection.HEALTH, value)], []))
    keeper(store).refresh()
    ids = files.profiles["account_id"].to_pylist()
    statuses = pa.array([" Internal" if name in ours else "active" for name in ids])
    place = files.profiles.schema.get_field_index("status")
    told = replace(files, profiles=files.profiles.set_column(place, "status", statuses))
    found = stored(url)
    assert found == expected(told) != expected(files)
    everybody = portfolio_of(told, "UTC", tests=True)
    assert everybody == portfolio_of(files, "UTC")


def test_redelivery_in_any_order_changes_no_figure(
    sink: DatabaseSink, store: PortfolioStore, url: str, files: EventFiles, records: list[DeliveryRecord]
) -> None:
    mixed = [*records, *records[::3]]
    random.Random(4).shuffle(mixed)
    deliver(sink, mixed)
    segments(sink, files)
    keeper(store).refresh()
    assert stored(url) == expected(files)


def test_a_late_event_changes_the_figures_of_its_month(
    sink: DatabaseSink, store: PortfolioStore, url: str, files: EventFiles, records: list[DeliveryRecord]
) -> None:
    late = next(each for each in records if each.value["type"] == "nps")
    deliver(sink, [each for each in records if each is not late])
    segments(sink, files)
    kept = keeper(store)
    kept.refresh()
    assert stored(url) != expected(files)
    deliver(sink, [late])
    kept.refresh()
    assert stored(url) == expected(files)


def test_nothing_is_written_again_while_nothing_changes(
    sink: DatabaseSink, store: PortfolioStore, url: str, records: list[DeliveryRecord]
) -> None:
    deliver(sink, records)
    kept = keeper(store)
    kept.refresh()
    engine = open_engine(url, writer=True)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM portfolio_metrics"))
    engine.dispose()
    kept.refresh()
    assert stored(url) == []


@contextmanager
def keeping(kept: PortfolioKeeper) -> Iterator[threading.Thread]:
    """Let it run beside the test."""
    thread = threading.Thread(target=kept.run)
    thread.start()
    try:
        yield thread
    finally:
        kept.stop()
        thread.join(patience(30))
    assert not thread.is_alive()


def test_figures_are_computed_at_once_then_once_a_minute_at_most_and_at_the_end(
    sink: DatabaseSink, store: PortfolioStore, url: str, files: EventFiles, records: list[DeliveryRecord]
) -> None:
    deliver(sink, records[:-20])
    segments(sink, files)
    with keeping(keeper(store)):
        wait_until(lambda: bool(stored(url)))
        before = stored(url)
        deliver(sink, records[-20:])
        time.sleep(1)
        assert stored(url) == before
    assert stored(url) == expected(files)


def test_figures_wait_for_the_database_and_hold_nobody_up(tmp_path: Path, records: list[DeliveryRecord]) -> None:
    url = f"sqlite:///{tmp_path / 'late.db'}"
    store = PortfolioStore(url)
    with keeping(keeper(store)) as thread:
        time.sleep(0.5)
        assert thread.is_alive()
        upgrade(url)
        sink = DatabaseSink(url)
        deliver(sink, records)
        sink.close()
    store.close()
    assert stored(url)


def aged(url: str, given: list[DeliveryRecord], months: int) -> tuple[PortfolioStore, PortfolioKeeper]:
    """A database that has the records and keeps so many months open to late events."""
    sink, store = DatabaseSink(url), PortfolioStore(url)
    deliver(sink, given)
    sink.close()
    return store, PortfolioKeeper(store, "UTC", Metrics(), months=months)


@pytest.fixture(scope="module")
def years() -> list[DeliveryRecord]:
    """Events of twenty months."""
    made = EventFiles.of(simulate(SimulationSettings(seed=6, accounts=10, days=610)))
    return [
        DeliveryRecord(topic, 0, offset, Projection.FACT, dict(row))
        for topic, name in TOPIC_TABLES.items()
        for offset, row in enumerate(getattr(made, name).to_pylist())
    ]


def test_facts_that_no_open_month_needs_are_removed_and_figures_stay_what_they_were(
    url: str, years: list[DeliveryRecord]
) -> None:
    store, kept = aged(url, years, months=5)
    before = rows(url, "SELECT COUNT(*) AS facts FROM portfolio_facts")[0]["facts"]
    kept.refresh()
    figures = stored(url)
    after = rows(url, "SELECT COUNT(*) AS facts FROM portfolio_facts")[0]["facts"]
    assert after < 0.75 * before
    last_day = max(each.value["occurred_at"] for each in years) // 86_400_000
    bound_ms = month_before(last_day, 5 + GROWTH_MONTHS) * 86_400_000
    old = rows(url, f"SELECT DISTINCT topic, ticket_id FROM portfolio_facts WHERE occurred_at_ms < {bound_ms}")
    assert {each["topic"] for each in old} == {"billing.events", "ticket.events"}
    # Of tickets those that went on.
    later = rows(url, f"SELECT DISTINCT ticket_id FROM portfolio_facts WHERE occurred_at_ms >= {bound_ms}")
    assert {each["ticket_id"] for each in old} <= {each["ticket_id"] for each in later}
    # Nothing was lost for the open months: all over again from what is left, and the closed ones stand.
    anew = PortfolioStore(url)
    PortfolioKeeper(anew, "UTC", Metrics(), months=5).refresh()
    assert stored(url) == figures
    anew.close()
    store.close()


def test_a_late_event_counts_within_the_bound_and_changes_nothing_beyond_it(
    url: str, years: list[DeliveryRecord]
) -> None:
    store, kept = aged(url, years, months=5)
    kept.refresh()
    last_day = max(each.value["occurred_at"] for each in years) // 86_400_000
    nps = next(each.value for each in years if each.value["type"] == "nps")
    sink = DatabaseSink(url)

    def answers(months: int) -> int:
        starts = Period("month", month_before(last_day, months), 0).starts_on
        of_all = "metric = 'nps' AND segment IS NULL AND dimension IS NULL"
        found = rows(url, f"SELECT n FROM v_portfolio_metrics WHERE starts_on = '{starts}' AND {of_all}")
        return int(found[0]["n"]) if found else 0

    counts = {months: answers(months) for months in (4, 7)}
    for months in counts:
        at_ms = month_before(last_day, months) * 86_400_000
        late = {**nps, "event_id": f"late-{months}", "occurred_at": at_ms + 1}
        deliver(sink, [DeliveryRecord("customer.signals", 0, 10**6 + months, Projection.FACT, late)])
    sink.close()
    kept.refresh()
    store.close()
    assert {months: answers(months) for months in counts} == {4: counts[4] + 1, 7: counts[7]}


NPS_OF_ALL = """SELECT value FROM v_portfolio_metrics WHERE metric = 'nps' AND period = 'trailing_30d'
                AND segment IS NULL AND dimension IS NULL"""


def test_ratios_of_the_last_thirty_days_are_exported_by_segment(
    sink: DatabaseSink, store: PortfolioStore, url: str, files: EventFiles, records: list[DeliveryRecord]
) -> None:
    deliver(sink, records)
    segments(sink, files)
    metrics = Metrics()
    value = metrics.registry.get_sample_value
    assert value("foreshock_portfolio_ratio", {"metric": "logo_retention", "segment": "all"}) is None
    keeper(store, metrics).refresh()
    assert value("foreshock_portfolio_ratio", {"metric": "green", "segment": "all"}) == 1.0
    assert value("foreshock_portfolio_ratio", {"metric": "green", "segment": "smb"}) == 1.0
    assert value("foreshock_portfolio_ratio", {"metric": "trial_to_paid", "segment": "all"}) is None
    for group in ("all", "smb"):
        above = value("foreshock_portfolio_ratio", {"metric": "csat_above_3_5", "segment": group})
        assert above is not None
        assert 0 < above <= 1
    nps = value("foreshock_portfolio_ratio", {"metric": "nps", "segment": "all"})
    assert nps is not None
    assert nps == rows(url, NPS_OF_ALL)[0]["value"] / 100
    last_ms = max(each.value["occurred_at"] for each in records if each.value["type"] in KEPT_TYPES[each.topic])
    assert value("foreshock_portfolio_as_of_timestamp_seconds") == last_ms / 1000


def test_a_touchpoint_that_became_worse_is_exported(sink: DatabaseSink, store: PortfolioStore) -> None:
    def answer(number: int, day: int, score: float) -> DeliveryRecord:
        said = {"type": "nps", "score": score, "phase": "support", "event_id": f"e{number}", "account_id": "acme"}
        return DeliveryRecord("customer.signals", 0, number, Projection.FACT, {**said, "occurred_at": day * 86_400_000})

    metrics = Metrics()
    deliver(sink, [*(answer(n, 200 + n, 9.0) for n in range(60)), *(answer(100 + n, 400 + n, 9.0) for n in range(30))])
    keeper(store, metrics).refresh()
    worse = ("foreshock_touchpoints_worse", {"survey": "nps"})
    assert metrics.registry.get_sample_value(*worse) == 0
    deliver(sink, [answer(200 + n, 410 + n // 3, 2.0) for n in range(60)])
    keeper(store, metrics).refresh()
    # The touchpoint, and all answers together.
    assert metrics.registry.get_sample_value(*worse) == 2


def test_an_account_has_figures_of_its_own_answers_of_ninety_days(sink: DatabaseSink, url: str) -> None:
    day_ms = 86_400_000

    def answer(number: int, account: str, day: int, **said: Any) -> DeliveryRecord:
        topic = "ticket.events" if "csat" in said else "customer.signals"
        value = {"event_id": f"e{number}", "account_id": account, "occurred_at": day * day_ms, **said}
        return DeliveryRecord(topic, 0, number, Projection.FACT, value)

    for name in ("few", "many"):
        value = health(name, 199, band="green")
        sink.write(DeliveryBatch([DeliveryRecord("account.health", 0, 0, Projection.HEALTH, value)], []))
    answers = [
        answer(0, "few", 190, type="nps", score=10.0), answer(1, "few", 191, type="nps", score=9.0),
        answer(2, "many", 150, type="nps", score=9.0), answer(3, "many", 151, type="nps", score=5.0, scale=5.0),
        answer(4, "many", 152, type="nps", score=6.0), answer(5, "many", 153, type="nps", score=7.0),
        answer(6, "many", 99, type="nps", score=0.0), answer(7, "many", 160, type="csat", score=4.0),
        answer(8, "many", 161, type="csat", score=10.0, scale=10.0), answer(9, "many", 162, type="csat_given", csat=2),
    ]  # fmt: skip
    deliver(sink, answers)
    few, many = rows(url, "SELECT * FROM v_account_answers ORDER BY account_id")
    assert (few["nps_answers"], few["nps"], few["csat_answers"], few["csat"]) == (2, None, 0, None)
    assert (many["nps_answers"], many["nps"]) == (4, 25.0)
    assert (many["csat_answers"], many["csat"], many["csat_mean"]) == (3, pytest.approx(2 / 3), pytest.approx(11 / 3))


def test_figures_without_facts_are_none(store: PortfolioStore, url: str) -> None:
    keeper(store).refresh()
    assert rows(url, "SELECT * FROM portfolio_metrics") == []


def test_facts_and_positions_are_written_together(sink: DatabaseSink, url: str, records: list[DeliveryRecord]) -> None:
    billing = [each for each in records if each.topic == "billing.events"]
    sink.write(DeliveryBatch(billing, [Advance("billing.events", 0, None, len(billing))]))
    kept = {each.value["event_id"] for each in billing if each.value["type"].startswith(("subscription", "trial"))}
    assert {row["event_id"] for row in rows(url, "SELECT event_id FROM portfolio_facts")} == kept
    assert sink.positions("billing.events") == {0: len(billing)}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_delivery_takes_events_and_leaves_ticks_and_bad_records_to_the_workers(url: str) -> None:
    now_ms = int(time.time() * 1000)
    event: dict[str, Any] = {
        "event_id": "b1", "account_id": "acme", "type": "subscription_started", "occurred_at": now_ms,
        "mrr_minor_after": 500, "currency": "EUR",
    }  # fmt: skip
    bad: list[Value | bytes] = [
        {**event, "event_id": "b2", "type": "given_away"},
        {**event, "event_id": "b3", "occurred_at": now_ms + 10**9},
        {**event, "event_id": "b4", "seats_after": -4},
        b"\x00no avro",
    ]
    with EmbeddedBroker(PROJECTIONS) as broker, delivering(broker.bootstrap, url) as running:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "partitioner": "murmur2_random"})
        tick = TickEncoder(FileRegistry()).encode(now_ms, "test")
        for partition in range(4):
            producer.produce("billing.events", tick, TICK_KEY, partition)
        elsewhere = Encoder(TOPICS["billing.events"], FileRegistry()).encode({**event, "event_id": "b5"})
        producer.produce("billing.events", elsewhere, b"another account")
        assert producer.flush(patience(10)) == 0
        send(broker.bootstrap, "billing.events", [*bad, event, event])
        wait_until(lambda: running.metric("foreshock_sink_records_total", sink="database", projection="fact") > 0)
        wait_until(lambda: sum(row["next_offset"] for row in rows(url, POSITIONS)) == 4 + 1 + 6)
    assert rows(url, "SELECT event_id, mrr_minor_after, topic FROM portfolio_facts") == [
        {"event_id": "b1", "mrr_minor_after": 500, "topic": "billing.events"}
    ]
    assert running.dead_letters == []


POSITIONS = "SELECT next_offset FROM sink_positions WHERE topic = 'billing.events'"
