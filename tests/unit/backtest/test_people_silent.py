"""A champion who leaves without a word, in a simulated stream through the whole core."""

from __future__ import annotations

from dataclasses import replace as with_fields

import pyarrow.compute as pc

from agents.backtest.run import replay
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.scoring.labels import labels_from_table, match
from pipeline.simulate import SimulationSettings, simulate


def test_champions_who_leave_without_a_word_are_missed_within_five_weeks() -> None:
    settings = SimulationSettings(seed=6, accounts=16, days=150, incidents_per_kind=4, kinds=("champion_loss",))
    stream = simulate(settings)
    said = stream.signals.filter(pc.not_equal(stream.signals["type"], "contact_left"))
    files = EventFiles.of(with_fields(stream, signals=said))
    alerts = replay(files, EngineConfig(), seen_at_ms=2_000_000_000_000).alerts
    findings = match(labels_from_table(stream.labels), alerts).of_kind("champion_loss")
    assert len(findings) == 4
    assert all("champion_silent" in {alert["kind"] for alert in finding.alerts} for finding in findings)
    told = {alert["account_id"] for alert in alerts if alert["kind"] == "champion_silent"}
    assert told == {finding.label.account_id for finding in findings}
