"""How much work the demo's stream makes: alerts one by one, and cases."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pytest

from agents.backtest.run import Replayed, replay, told
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.simulate import SimulationSettings, simulate

SETTINGS = SimulationSettings(seed=7, accounts=200, days=120)
SEEN_AT_MS = 1_800_000_000_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def replayed() -> Replayed:
    return replay(EventFiles.of(simulate(SETTINGS)), EngineConfig(), seen_at_ms=SEEN_AT_MS)


def open_cases(replayed: Replayed) -> list[dict[str, Any]]:
    last = {case["case_id"]: dict(case) for case in told(replayed.cases)}
    return [case for case in last.values() if case["status"] != "closed"]


def test_an_account_has_one_open_case_of_risks_at_most(replayed: Replayed) -> None:
    status: dict[str, str] = {}
    of_account: dict[str, set[str]] = defaultdict(set)
    for case in told(replayed.cases):
        status[case["case_id"]] = case["status"]
        if case["subject"] == "risk":
            of_account[case["account_id"]].add(case["case_id"])
            assert sum(status[known] != "closed" for known in of_account[case["account_id"]]) <= 1


def test_there_are_not_more_open_cases_of_risks_than_accounts_with_one(replayed: Replayed) -> None:
    risks = [case for case in open_cases(replayed) if case["subject"] == "risk"]
    firing = {alert["alert_id"]: alert for alert in told(replayed.alerts)}
    alarmed = [each for each in firing.values() if each["status"] == "firing" and each["family"] == "risk"]
    assert len(risks) == len({case["account_id"] for case in risks}) == len({each["account_id"] for each in alarmed})
    assert len(risks) < len(alarmed)
    assert {each["alert_id"] for each in alarmed} == {one["alert_id"] for case in risks for one in case["alerts"]}


def test_an_owner_is_told_of_fewer_cases_than_alerts(replayed: Replayed) -> None:
    alerts = Counter(alert["owner"] for alert in told(replayed.alerts) if alert["revision"] == 1)
    opened: Counter[str | None] = Counter()
    before: dict[str, str] = {}
    for case in told(replayed.cases):
        if case["status"] == "open" and before.get(case["case_id"], "closed") == "closed":
            opened[case["owner"]] += 1
        before[case["case_id"]] = case["status"]
    owners = {owner for owner in alerts if owner is not None}
    assert all(opened[owner] <= alerts[owner] for owner in owners)
    assert opened.total() < 0.8 * alerts.total()
