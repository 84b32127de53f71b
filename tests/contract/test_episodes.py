"""A condition that holds for 400 days is one alert, of whatever kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import pytest

from pipeline.close import day as close_of_a_day
from pipeline.close import episodes
from pipeline.config import EngineConfig
from pipeline.detectors import AFTER_SCORE, BEFORE_SCORE, DETECTORS, Detector
from pipeline.evidence.view import Finding, View
from pipeline.rules import RULES
from pipeline.scorecards.card import Criterion, Scorecard
from pipeline.terms.kind import Kind
from tests.contract.test_rules import SCENES
from tests.oracle.model import DAY_MS, HOUR_MS, PROFILES
from tests.support.scene import MIDNIGHT_MS, Partition, Stage
from tests.support.wire import blank, smallest

DAYS = 400
FIRST_DAY = MIDNIGHT_MS // DAY_MS
CONFIG = EngineConfig(basic_drop_pct=50.0, stage_days=(("adoption", 90),), enabled_kinds=("advocacy_moment",))
"""With every kind switched on."""
SERVED = Scorecard("served", 1, (Criterion("support", 4), Criterion("billing", 5)))
PATTERNS: dict[str, Callable[[int], bool]] = {
    "on all days": lambda _: True,
    "on every other day": lambda day: day % 2 == 0,
    "on the first day": lambda day: day == 0,
}


@dataclass
class Held:
    """A detector that raises for one account as a pattern says, and never is clear."""

    of: Detector
    row: int
    raises: Callable[[int], bool]

    @property
    def KIND(self) -> Kind:  # noqa: N802 - as detectors call it
        return self.of.KIND

    def evaluate(self, view: View) -> Finding:
        mine = np.arange(len(view)) + 1 == self.row
        ones = np.ones(len(view))
        return Finding(mine & self.raises(view.day - FIRST_DAY), ones, ones, ones)

    def cleared(self, view: View, finding: Finding, place: int, expected_at_opening: float) -> bool:
        return False


@pytest.fixture(params=PATTERNS)
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Partition:
    """As many accounts as there are daily kinds, one for each."""
    found = {of.KIND.name: Held(of, row, PATTERNS[request.param]) for row, of in enumerate(DETECTORS, 1)}
    for name, part, table in (("BEFORE_SCORE", "_BEFORE", BEFORE_SCORE), ("AFTER_SCORE", "_AFTER", AFTER_SCORE)):
        held = {of.KIND.name: found[of.KIND.name] for of in table}
        monkeypatch.setattr(close_of_a_day, name, tuple(held.values()))
        monkeypatch.setattr(episodes, part, held)
    for name in ("_DATED", "_GRADED"):
        monkeypatch.setattr(episodes, name, {})
    monkeypatch.setattr(View, "finding", lambda view, of: found[of.KIND.name].evaluate(view))
    partition = Partition(CONFIG)
    profile = blank(PROFILES) | smallest(PROFILES) | {"updated_at": MIDNIGHT_MS}
    partition.take(PROFILES, [profile | {"account_id": name} for name in found], MIDNIGHT_MS)
    for number in range(DAYS + 1):
        partition.tick(MIDNIGHT_MS + number * DAY_MS + 2 * HOUR_MS)
    return partition


def test_what_a_detector_finds_is_one_alert_that_only_ends_when_its_kind_fades(
    held: Partition, request: pytest.FixtureRequest
) -> None:
    told = {(alert["account_id"], alert["alert_id"]) for alert in held.alerts if alert["account_id"] == alert["kind"]}
    assert Counter(kind for kind, _ in told) == dict.fromkeys((of.KIND.name for of in DETECTORS), 1)
    ended = {alert["kind"] for alert in held.alerts if alert["status"] == "resolved"}
    faded = request.node.callspec.params["held"] == "on the first day"
    assert ended == {of.KIND.name for of in DETECTORS if faded and not of.KIND.lasting}
    assert {alert["transition_reason"] for alert in held.alerts if alert["status"] == "resolved"} <= {"expired"}


def test_what_a_record_tells_is_one_alert() -> None:
    stage = Stage()
    for rule in RULES:
        stage.send(PROFILES, {"account_id": rule.name})
    for events in zip_longest(*(SCENES[rule.name][0] for rule in RULES)):
        stage.pass_hours(1)
        for rule, event in zip(RULES, events, strict=True):
            if event is not None:
                stage.send(rule.topic, event | {"account_id": rule.name})
    for _ in range(DAYS // 25):
        stage.pass_hours(24 * 24)
        stage.pass_days(1)
    told = {(alert["account_id"], alert["alert_id"]) for alert in stage.alerts if alert["account_id"] == alert["kind"]}
    assert Counter(kind for kind, _ in told) == dict.fromkeys((rule.name for rule in RULES), 1)


def test_a_band_that_lasts_is_one_alert() -> None:
    stage = Stage(EngineConfig(scorecards=(SERVED,), health_scorecards=("served",)))
    stage.send("billing.events", {"type": "subscription_started", "subscription_id": "s"})
    stage.send("ticket.events", {"type": "commented", "ticket_id": "t"})
    stage.pass_days(2)
    for kind in ("payment_failed", "invoice_overdue"):
        stage.send("billing.events", {"type": kind, "invoice_id": "i"})
    stage.pass_days(DAYS)
    assert [alert["status"] for alert in stage.of_kind("health_changed")] == ["firing"]
    assert not stage.of_kind("health_unknown")
