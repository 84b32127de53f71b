"""Whatever client a team has: the same events by any partitioner, in Avro or JSON, give the same alerts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from agents.backtest.run import replay
from agents.eventfiles.files import EventFiles, read_events, write_events
from agents.replay.arrivals import day_ends
from agents.replay.plan import plan
from pipeline.config import EngineConfig
from pipeline.simulate import SimulationSettings, simulate
from pipeline.terms.records import Fate
from schemas.topics import DAY_MS, INPUT_TOPICS
from tests.exactness.changelog import Changelog
from tests.exactness.processes import PARTITIONS, Deployment
from tests.exactness.result import await_durable, by_identity, exact_differences, following
from tests.exactness.truth import published_alerts
from tests.servers.kafka import KafkaServer
from tests.support.producers import LIBRDKAFKA, TEAMS, Sending

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(300)]

PROFILES = ("account.profiles",)
OTHERS = tuple(topic for topic in INPUT_TOPICS if topic not in PROFILES)


def _send(files: EventFiles, sending: Sending, log: Changelog, engine: EngineConfig) -> None:
    """A day's events, what the worker makes of them, and only then the day's end: as in life, but faster.

    Profiles come first, because what is told at once tells what is known of the account then.
    """
    planned = plan(files, PARTITIONS, day_ends(engine))
    sending.tick(planned.tick_times_ms[0] - DAY_MS)
    for step in planned:
        for topics in (PROFILES, OTHERS):
            if sending.events(step, topics):
                await_durable(log, sending.bootstrap)
        sending.tick(step.tick_at_ms)
    await_durable(log, sending.bootstrap)


@pytest.fixture(scope="module", params=[(30, 40), pytest.param((700, 120), marks=pytest.mark.soak)])
def stream(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> EventFiles:
    """Event files of so many accounts and days; the large one has a million usage events."""
    accounts, days = request.param
    folder = tmp_path_factory.mktemp("stream")
    write_events(simulate(SimulationSettings(seed=5, accounts=accounts, days=days, first_incident_day=30)), folder)
    return read_events(folder)


@pytest.mark.parametrize("team", TEAMS)
def test_the_alerts_are_those_of_a_backtest_and_the_fates_add_up(
    kafka: KafkaServer, stream: EventFiles, group: str, folder: Path, team: str
) -> None:
    with Deployment(kafka.bootstrap, group, folder) as deployment:
        worker, engine = deployment.worker(), deployment.settings.engine()
        sending = Sending(kafka.bootstrap, TEAMS[team], PARTITIONS)
        with following(deployment) as log:
            _send(stream, sending, log, engine)
            feeds = log.kept_feeds(engine)
        alerts = published_alerts(kafka.bootstrap)
        assert worker.terminate() == 0
    tested = replay(stream, engine, partitions=PARTITIONS)
    assert exact_differences(by_identity(tested.alerts), alerts) == []
    assert alerts
    for topic in INPUT_TOPICS:
        fates = sum((Counter(feed.fates[topic]) for feed in feeds.values()), Counter())
        first_ticks = Counter({Fate.REROUTED: sending.strays[topic], Fate.APPLIED: PARTITIONS})
        assert fates == Counter(tested.fates[topic]) + first_ticks
    assert all(feed.topics[topic].ledger.balanced() for feed in feeds.values() for topic in INPUT_TOPICS)
    share = sum(sending.strays.values()) / sum(sending.sent.values())
    assert share > 0.5 if TEAMS[team].partitioner == LIBRDKAFKA else share == 0
    print(f"{sum(sending.sent.values())} events, {share:.0%} placed elsewhere, {len(alerts)} alerts")
