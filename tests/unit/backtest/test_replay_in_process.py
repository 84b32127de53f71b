"""The backtest sees what a replay through Kafka would send, whatever the number of partitions."""

from __future__ import annotations

from dataclasses import replace as changed

import numpy as np
import pyarrow as pa
import pytest

from agents.backtest.run import Alert, Replayed, in_order_of_detection, replay
from agents.backtest.stream import Stream
from agents.eventfiles.files import TOPIC_OF, EventFiles
from agents.replay.arrivals import Clock, day_ends, every
from agents.replay.plan import plan, to_batches
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.terms.records import Outcome, RecordKind
from schemas.topics import DAY_MS, INPUT_TOPICS
from tests.unit.backtest.streams import SEEN_AT_MS, files

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def replayed() -> Replayed:
    return replay(files(), EngineConfig(), seen_at_ms=SEEN_AT_MS)


@pytest.mark.parametrize("partitions", [3, 8])
def test_the_number_of_partitions_changes_no_alert(replayed: Replayed, partitions: int) -> None:
    other = replay(files(), EngineConfig(), partitions=partitions, seen_at_ms=SEEN_AT_MS)
    assert other.alerts == replayed.alerts
    assert other.bands == replayed.bands
    assert {topic: fates["late_applied"] for topic, fates in other.fates.items()} == {
        topic: fates["late_applied"] for topic, fates in replayed.fates.items()
    }


@pytest.mark.parametrize("clock", [every(HOUR_MS), day_ends(EngineConfig())], ids=["hours", "day ends"])
def test_alerts_are_those_of_the_records_that_a_replay_sends(replayed: Replayed, clock: Clock) -> None:
    assert _sent(EngineConfig(), clock) == list(replayed.alerts)


def test_ticks_of_a_replay_end_the_days_of_the_business_time_zone() -> None:
    config = changed(EngineConfig(), timezone="Asia/Kolkata", out_of_orderness_ms=3 * HOUR_MS)
    expected = replay(files(), config, seen_at_ms=SEEN_AT_MS).alerts
    assert _sent(config, day_ends(config)) == list(expected)
    late = [step.tick_at_ms % DAY_MS for step in plan(files(), 1, day_ends(config))][:-1]
    assert set(late) == {int(21.5 * HOUR_MS)}


def _sent(config: EngineConfig, clock: Clock, partitions: int = 3) -> list[Alert]:
    feeds = [Feed(config, number, partitions) for number in range(partitions)]
    outcome = Outcome()
    for step in plan(files(), partitions, clock):
        for rows, batch in zip(step.rows, to_batches(step, SEEN_AT_MS), strict=True):
            outcome.extend(feeds[rows.partition].push(batch))
        told = outcome.fleet_days
        while told:
            outcome.fleet_days = []
            for feed in feeds:
                outcome.extend(feed.learn(told))
            told = outcome.fleet_days
    return sorted(outcome.alerts, key=in_order_of_detection)


def test_the_sample_has_what_makes_replays_differ(replayed: Replayed) -> None:
    usage = replayed.fates["usage.events"]
    assert usage["late_applied"] > 0
    assert usage["duplicate"] > 0
    assert len({alert["kind"] for alert in replayed.alerts}) >= 5


def test_every_record_has_one_fate(replayed: Replayed) -> None:
    for topic, table in files().by_topic().items():
        assert sum(replayed.fates[topic].values()) == table.num_rows + replayed.ticks


def test_alerts_stand_in_order_of_detection(replayed: Replayed) -> None:
    keys = [in_order_of_detection(alert) for alert in replayed.alerts]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_records_from_the_future_are_dead_lettered(replayed: Replayed) -> None:
    usage = files().usage
    early_ms = int(np.median(usage.column("occurred_at").to_numpy()))
    found = replay(files(), EngineConfig(), seen_at_ms=early_ms)
    assert found.dead_letters["usage.events", "future_dated"] > 0
    assert found.fates["usage.events"]["dead_lettered"] == found.dead_letters["usage.events", "future_dated"]
    assert found.days_closed < replayed.days_closed


def test_each_topic_and_partition_gets_all_its_rows_once_in_order() -> None:
    batches = [
        (partition, batch)
        for window in Stream(files(), EngineConfig(), 4, SEEN_AT_MS).windows()
        for partition, batch in window.batches
    ]
    for topic, table in files().by_topic().items():
        rows = 0
        for number in range(4):
            mine = [batch for partition, batch in batches if partition == number and batch.topic == topic]
            assert [batch.begin for batch in mine[1:]] == [batch.end for batch in mine[:-1]]
            kinds = np.concatenate([batch.kind for batch in mine])
            rows += int((kinds == RecordKind.EVENT).sum())
            ticks_ms = np.concatenate([b.occurred_at_ms[b.kind == RecordKind.TICK] for b in mine])
            assert (np.diff(ticks_ms) >= 0).all()
        assert rows == table.num_rows


@pytest.mark.parametrize("timezone", ["America/New_York", "Asia/Kolkata"])
def test_days_are_those_of_the_business_time_zone(timezone: str) -> None:
    config = changed(EngineConfig(), timezone=timezone)
    one, many = (replay(files(), config, partitions=n, seen_at_ms=SEEN_AT_MS) for n in (1, 5))
    assert one.alerts == many.alerts
    assert one.alerts


def test_nothing_at_all_can_be_replayed() -> None:
    tables = {name: getattr(files(), name).slice(0, 0) for name in TOPIC_OF}
    empty = EventFiles(**tables)
    found = replay(empty, EngineConfig(), seen_at_ms=SEEN_AT_MS)
    assert found.alerts == ()
    assert found.accounts == 0
    assert set(found.fates) == set(INPUT_TOPICS)


def test_profiles_without_a_time_are_there_from_the_start() -> None:
    profiles = files().profiles
    place = profiles.schema.get_field_index("updated_at")
    undated = profiles.set_column(
        place, profiles.schema.field(place), pa.nulls(profiles.num_rows, profiles.schema.field(place).type)
    )
    found = replay(changed(files(), profiles=undated), EngineConfig(), seen_at_ms=SEEN_AT_MS)
    assert found.fates["account.profiles"]["applied"] == profiles.num_rows + found.ticks
    assert all(alert["owner"] is not None for alert in found.alerts)
