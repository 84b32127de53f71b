"""What hits everybody raises one alert of the fleet and none of an account, whatever the number of partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from functools import cache
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
RANKED_ANYWAY = {"usage_decline"}
"""The clearest cases of a fleet, with or without an incident; `tests/contract/test_situations.py` compares the two."""
CALM = ""
"""The same customers on the same days without any incident."""
TOGETHER = EngineConfig()
ALONE = changed(TOGETHER, fleet_min_accounts=10**9)


@cache
def stream_of(kind: str) -> SimulatedStream:
    return simulate(SimulationSettings(seed=7, accounts=200, kinds=(kind,) if kind else ()))


@cache
def alerts_of(kind: str, partitions: int, config: EngineConfig) -> Sequence[Mapping[str, Any]]:
    files = EventFiles.of(stream_of(kind))
    return replay(files, config, partitions=partitions, seen_at_ms=SEEN_AT_MS).alerts


def opened(kind: str, around: str, partitions: int = 1, config: EngineConfig = TOGETHER) -> list[Mapping[str, Any]]:
    """Alerts on usage that opened in a stream within two weeks of the incident of this or another one."""
    [label] = stream_of(around).labels.to_pylist()
    kinds = {name for name, of in KINDS.items() if of.scope in ("usage", "fleet")} - RANKED_ANYWAY
    return [
        alert
        for alert in alerts_of(kind, partitions, config)
        if alert["revision"] == 1
        and alert["kind"] in kinds
        and label["at"] - DAY_MS <= alert["starts_at"] < label["at"] + 14 * DAY_MS
    ]


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("kind", ALERT_OF)
def test_one_alert_of_the_fleet_and_none_of_an_account(kind: str, partitions: int) -> None:
    own = {(alert["account_id"], alert["kind"]) for alert in opened(CALM, kind, partitions)}
    found = [(alert["account_id"], alert["kind"]) for alert in opened(kind, kind, partitions)]
    assert [alert for alert in found if alert not in own] == [("fleet", ALERT_OF[kind])]
    assert len(own) <= 1


def test_without_the_fleets_view_accounts_would_alert() -> None:
    alone = opened("release_dip", "release_dip", config=ALONE)
    assert len(alone) >= 3
    assert all(not alert["account_id"].startswith("fleet") for alert in alone)
