"""What hits everybody raises one alert of the fleet and none of an account, whatever the number of partitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as changed
from typing import Any

import pytest

from agents.backtest.run import replay
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.kinds import KINDS
from pipeline.simulate import SimulatedStream, SimulationSettings, simulate
from schemas.topics import DAY_MS

pytestmark = pytest.mark.slow

SEEN_AT_MS = 1_900_000_000_000
ALERT_OF = {"release_dip": "fleet_dip", "feed_outage": "usage_feed_stopped"}


def stream_of(*kinds: str) -> SimulatedStream:
    return simulate(SimulationSettings(seed=7, accounts=200, kinds=kinds))


@pytest.fixture(scope="module", params=ALERT_OF)
def incident(request: pytest.FixtureRequest) -> tuple[str, SimulatedStream]:
    kind: str = request.param
    return kind, stream_of(kind)


@pytest.fixture(scope="module")
def calm() -> SimulatedStream:
    """The same customers on the same days without any incident."""
    return stream_of()


RANKED_ANYWAY = {"usage_decline"}
"""The clearest cases of a fleet, with or without an incident; `tests/contract/test_situations.py` compares the two."""


def opened(
    stream: SimulatedStream, config: EngineConfig, partitions: int = 1, *, around: SimulatedStream | None = None
) -> list[Mapping[str, Any]]:
    """Alerts on usage that opened within two weeks of the incident of the stream, or of another."""
    [label] = (around or stream).labels.to_pylist()
    replayed = replay(EventFiles.of(stream), config, partitions=partitions, seen_at_ms=SEEN_AT_MS)
    kinds = {name for name, kind in KINDS.items() if kind.scope in ("usage", "fleet")} - RANKED_ANYWAY
    return [
        alert
        for alert in replayed.alerts
        if alert["revision"] == 1
        and alert["kind"] in kinds
        and label["at"] - DAY_MS <= alert["starts_at"] < label["at"] + 14 * DAY_MS
    ]


@pytest.mark.parametrize("partitions", [1, 5])
def test_one_alert_of_the_fleet_and_none_of_an_account(
    incident: tuple[str, SimulatedStream], calm: SimulatedStream, partitions: int
) -> None:
    kind, stream = incident
    own = {(alert["account_id"], alert["kind"]) for alert in opened(calm, EngineConfig(), partitions, around=stream)}
    found = [(alert["account_id"], alert["kind"]) for alert in opened(stream, EngineConfig(), partitions)]
    assert [alert for alert in found if alert not in own] == [("fleet", ALERT_OF[kind])]
    assert len(own) <= 1


def test_without_the_fleets_view_accounts_would_alert(incident: tuple[str, SimulatedStream]) -> None:
    kind, stream = incident
    if kind == "release_dip":
        alone = opened(stream, changed(EngineConfig(), fleet_min_accounts=10**9))
        assert len(alone) >= 3
        assert all(not alert["account_id"].startswith("fleet") for alert in alone)
