from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from fastavro.validation import validate

from pipeline.scoring.labels import ACCOUNT_INCIDENTS
from pipeline.simulate import ACCOUNT_KINDS, FLEET_KINDS, SimulatedStream, SimulationSettings, simulate
from schemas.avro import plain
from schemas.definitions import current
from schemas.event_types import BILLING_TYPES, SIGNAL_TYPES, TICKET_PRIORITIES, TICKET_TYPES
from schemas.topics import DAY_MS

SCHEMAS = {
    "usage": "usage_event",
    "billing": "billing_event",
    "tickets": "ticket_event",
    "signals": "customer_signal",
    "profiles": "account_profile",
}
SMALL = SimulationSettings(seed=3, accounts=40, incidents_per_kind=1)


@pytest.fixture(scope="module")
def default() -> SimulatedStream:
    return simulate(SimulationSettings())


@pytest.fixture(scope="module")
def small() -> SimulatedStream:
    return simulate(SMALL)


def test_the_same_settings_give_the_same_stream(small: SimulatedStream) -> None:
    again = simulate(SMALL)
    for name in (*SCHEMAS, "labels"):
        assert getattr(again, name).equals(getattr(small, name)), name


def test_another_seed_gives_another_stream_with_other_event_ids(small: SimulatedStream) -> None:
    other = simulate(SimulationSettings(seed=4, accounts=40, incidents_per_kind=1))
    assert not set(other.usage["event_id"].to_pylist()) & set(small.usage["event_id"].to_pylist())
    assert other.usage.num_rows != small.usage.num_rows


def test_the_default_stream_has_the_size_that_demos_and_benchmarks_count_on(default: SimulatedStream) -> None:
    assert 150_000 <= default.usage.num_rows <= 400_000
    assert len(pc.unique(default.usage["account_id"])) == 200
    assert default.profiles.num_rows >= 200
    assert min(default.billing.num_rows, default.tickets.num_rows, default.signals.num_rows) > 1000


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_record_fits_its_avro_schema(small: SimulatedStream, name: str) -> None:
    schema = plain(current(SCHEMAS[name]))
    table: pa.Table = getattr(small, name)
    assert table.column_names == [field["name"] for field in schema["fields"]]
    for row in table.slice(0, 2000).to_pylist():
        assert validate(row, schema)


def test_types_and_priorities_are_known_symbols(default: SimulatedStream) -> None:
    assert set(default.billing["type"].to_pylist()) <= BILLING_TYPES
    assert set(default.tickets["type"].to_pylist()) <= TICKET_TYPES
    assert set(default.tickets["priority"].to_pylist()) == TICKET_PRIORITIES
    assert set(default.signals["type"].to_pylist()) <= SIGNAL_TYPES


def test_event_ids_are_unique_but_for_what_is_sent_again() -> None:
    kinds = (*ACCOUNT_KINDS, "holiday", "feed_outage", "late_data")
    stream = simulate(SimulationSettings(seed=5, accounts=40, kinds=kinds))
    for table in (stream.usage, stream.billing, stream.tickets, stream.signals):
        assert len(pc.unique(table["event_id"])) == table.num_rows


def test_a_stream_without_feed_faults_is_in_order_of_event_time() -> None:
    stream = simulate(SimulationSettings(seed=5, accounts=40, kinds=ACCOUNT_KINDS))
    for table, time in (
        (stream.usage, "occurred_at"),
        (stream.billing, "occurred_at"),
        (stream.tickets, "occurred_at"),
        (stream.signals, "occurred_at"),
        (stream.profiles, "updated_at"),
    ):
        assert (np.diff(table[time].to_numpy()) >= 0).all()


def test_all_events_lie_within_the_days_asked_for() -> None:
    settings = SimulationSettings(seed=2, accounts=30, days=100, start_date=date(2025, 3, 3))
    stream = simulate(settings)
    for table in (stream.usage, stream.billing, stream.tickets, stream.signals):
        times = table["occurred_at"].to_numpy()
        assert settings.start_ms <= times.min()
        assert times.max() < settings.start_ms + 100 * DAY_MS


def test_no_two_incidents_share_an_account_and_each_kind_has_as_many_as_asked(
    default: SimulatedStream,
) -> None:
    labels = [row for row in default.labels.to_pylist() if row["account_id"] != "*"]
    assert len({row["account_id"] for row in labels}) == len(labels)
    kinds = [row["kind"] for row in labels]
    assert {kind: kinds.count(kind) for kind in ACCOUNT_INCIDENTS} == dict.fromkeys(ACCOUNT_INCIDENTS, 4)


def test_each_fleet_wide_kind_is_labelled_once_with_an_end(default: SimulatedStream) -> None:
    labels = [row for row in default.labels.to_pylist() if row["account_id"] == "*"]
    assert sorted(row["kind"] for row in labels) == sorted(FLEET_KINDS)
    assert all(row["ends_at"] > row["at"] for row in labels)


def test_incidents_begin_when_baselines_exist(default: SimulatedStream) -> None:
    start_ms = SimulationSettings().start_ms
    days = [(row["at"] - start_ms) // DAY_MS for row in default.labels.to_pylist()]
    assert min(days) >= 76
    assert max(days) < 120


def test_a_stream_too_short_for_baselines_is_calm() -> None:
    stream = simulate(SimulationSettings(accounts=20, days=60))
    assert stream.labels.num_rows == 0
    assert stream.usage.num_rows > 0


def test_at_most_half_of_the_accounts_have_an_incident() -> None:
    labels = simulate(SimulationSettings(accounts=10)).labels.to_pylist()
    assert sum(row["account_id"] != "*" for row in labels) == 5


def test_settings_name_everything_that_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"accounts must be .*days must be .*unknown incident kind 'flood'"):
        SimulationSettings(accounts=0, days=0, kinds=("flood",))


def test_sizes_are_heavy_tailed_and_weekends_are_quiet(default: SimulatedStream) -> None:
    counts = np.sort(np.unique(default.usage["account_id"].to_numpy(zero_copy_only=False), return_counts=True)[1])
    assert counts[-20:].sum() > 0.25 * counts.sum()
    weekday = (default.usage["occurred_at"].to_numpy() // DAY_MS + 3) % 7
    by_weekday = np.bincount(weekday, minlength=7)
    assert by_weekday[5:].max() < 0.4 * by_weekday[:5].min()


def test_daily_counts_are_more_dispersed_than_poisson() -> None:
    stream = simulate(SimulationSettings(seed=11, accounts=30, days=60))
    days = (stream.usage["occurred_at"].to_numpy() - SimulationSettings().start_ms) // DAY_MS
    accounts = stream.usage["account_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    counts = np.zeros((30, 60))
    np.add.at(counts, (accounts, days), 1)
    working = counts[:, np.arange(60) % 7 < 5][:, 20:]
    busy = working[working.mean(axis=1) > 5]
    assert (busy.var(axis=1) > 1.3 * busy.mean(axis=1)).mean() > 0.9


def test_the_same_account_is_billed_every_thirty_days_and_pays(default: SimulatedStream) -> None:
    failing = {row["account_id"] for row in default.labels.to_pylist() if row["kind"] == "payment_failed"}
    issued: dict[str, list[int]] = {}
    for row in default.billing.to_pylist():
        if row["account_id"] in failing:
            continue
        assert row["type"] != "payment_failed"
        if row["type"] == "invoice_issued":
            issued.setdefault(row["account_id"], []).append(row["occurred_at"])
        if row["type"] == "invoice_paid":
            assert row["occurred_at"] < row["due_at"]
    assert all(set(np.diff(times)) <= {30 * DAY_MS} for times in issued.values())
    assert len(issued) == 196


def test_every_account_starts_a_subscription_whose_seats_and_price_its_profile_repeats(
    default: SimulatedStream,
) -> None:
    started = {row["account_id"]: row for row in default.billing.to_pylist() if row["type"] == "subscription_started"}
    for profile in default.profiles.to_pylist():
        subscription = started[profile["account_id"]]
        assert profile["seats"] == subscription["seats_after"]
        assert profile["arr_minor"] == 12 * subscription["mrr_minor_after"]
        assert profile["currency"] == subscription["currency"]
