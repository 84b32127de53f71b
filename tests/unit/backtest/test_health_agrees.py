"""The demo's stream: what is published of an account's health agrees with the alerts that are open."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from typing import Any

import pytest

from agents.backtest.stream import Stream
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from pipeline.simulate import SimulationSettings, simulate
from pipeline.terms.records import Outcome
from schemas.topics import DAY_MS

SETTINGS = SimulationSettings()


@pytest.mark.slow
def test_no_account_with_an_open_error_or_critical_risk_is_green_on_any_day() -> None:
    outcome, feed = Outcome(), Feed(EngineConfig(), 0)
    stream = Stream(EventFiles.of(simulate(SETTINGS)), EngineConfig(), 1, SETTINGS.end_ms + DAY_MS)
    for window in stream.windows():
        for _, batch in window.batches:
            outcome.extend(feed.push(batch))
            for told in list(outcome.fleet_days):
                outcome.fleet_days.remove(told)
                outcome.extend(feed.learn((told,)))
    health: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for record in outcome.health:
        health[record["account_id"]].append((record["as_of"], record["band"]))
    revisions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for alert in outcome.alerts:
        if alert["family"] == "risk":
            revisions[alert["alert_id"]].append(alert)
    found: Counter[tuple[str, str]] = Counter()
    for day in SETTINGS.calendar_days:
        end_ms = (day + 1) * DAY_MS
        for of_alert in revisions.values():
            known = [alert for alert in of_alert if alert["updated_at"] <= end_ms]
            if known and known[-1]["status"] == "firing" and known[-1]["severity"] in ("error", "critical"):
                bands = health[known[-1]["account_id"]]
                _, band = bands[bisect_right(bands, (end_ms, "~")) - 1]
                found[known[-1]["severity"], band] += 1
    assert set(found) == {("error", "yellow"), ("error", "red"), ("critical", "red")}
    assert sum(found.values()) > 500
