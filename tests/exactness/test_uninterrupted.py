"""A run that nothing disturbs: the oracle's result, and the backtest's on the same files."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.backtest.run import replay
from agents.eventfiles.files import EventFiles
from tests.exactness.processes import PARTITIONS, Deployment
from tests.exactness.result import assert_delivered, assert_exact, by_identity, exact_differences, repeats
from tests.exactness.settings import MANY_SCORECARDS
from tests.exactness.story import Feeding
from tests.servers.kafka import KafkaServer

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(240)]


def test_topics_database_and_state_are_the_oracles_and_the_alerts_those_of_a_backtest(
    kafka: KafkaServer, story: EventFiles, group: str, folder: Path
) -> None:
    with Deployment(kafka.bootstrap, group, folder, MANY_SCORECARDS) as deployment:
        worker, deliver = deployment.worker(), deployment.deliver()
        with Feeding(story, kafka.bootstrap, poison=False) as feeding:
            feeding.finish()
            alerts = assert_exact(deployment)
        assert_delivered(deployment, alerts)
        assert repeats(deployment) == 0
        tested = replay(story, deployment.settings.engine(), partitions=PARTITIONS).alerts
        assert exact_differences(by_identity(tested), alerts) == []
        assert len({alert["kind"] for alert in tested}) >= 8
        assert {"fleet_dip", "usage_feed_stopped"} <= {alert["kind"] for alert in tested}
        told_by = {alert["dimension"]: alert["shadow"] for alert in tested if alert["kind"] == "health_changed"}
        # Others may have joined the alert that they follow from.
        assert {"relations": False, "trial": True}.items() <= told_by.items()
        assert told_by.items() <= {"default": False, "customer": False, "relations": False, "trial": True}.items()
        assert worker.terminate() == 0
        assert deliver.terminate() == 0
