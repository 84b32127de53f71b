"""The alerts and the cases of a small stream, line by line, as they were agreed on.

`FORESHOCK_TEST_GOLDEN=write pytest tests/golden` writes them anew; read the difference before committing it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.backtest.run import replay
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.simulate import SimulationSettings, simulate

EXPECTED = Path(__file__).parent / "alerts.jsonl"
CASES = Path(__file__).parent / "cases.jsonl"
SETTINGS = SimulationSettings(seed=14, accounts=64, days=112, incidents_per_kind=2)
SEEN_AT_MS = 1_800_000_000_000
FIELDS = (
    "updated_at", "account_id", "kind", "dimension", "revision", "status", "transition_reason", "severity", "score",
    "starts_at", "ends_at", "detected_at", "alert_id", "summary", "joined", "case_id",
)  # fmt: skip


CASE_FIELDS = (
    "updated_at", "account_id", "case_id", "revision", "subject", "status", "severity", "lead_kind",
    "priority", "overdue",
)  # fmt: skip


def line(alert: Mapping[str, Any]) -> str:
    """One alert in short: identity, decision, the figures behind it, and what a person reads."""
    signal, evidence = alert["signal"], alert["evidence"]
    short = {name: alert[name] for name in FIELDS}
    short |= {name: round(signal[name], 3) for name in ("observed", "expected")}
    short["score"] = round(alert["score"], 3)
    short["evidence"] = round(evidence["value"], 3)
    short["states"] = " ".join(f"{one['name']}:{one['state']}" for one in alert["dimensions"])
    short["band"] = alert["health"] and alert["health"]["band"]
    return json.dumps(short, ensure_ascii=False)


def case_line(case: Mapping[str, Any]) -> str:
    """One case in short: what it has become, of which alerts, and what comes first."""
    short = {name: case[name] for name in CASE_FIELDS} | {"step": case["step"] and case["step"]["id"]}
    short["alerts"] = " ".join(f"{one['kind']}:{one['severity']}" for one in case["alerts"])
    short["suppressed"] = " ".join(f"{one['kind']}:{one['by']}" for one in case["suppressed"])
    return json.dumps(short, ensure_ascii=False)


def test_a_known_stream_gives_the_known_alerts_and_cases() -> None:
    replayed = replay(EventFiles.of(simulate(SETTINGS)), EngineConfig(), seen_at_ms=SEEN_AT_MS)
    for path, found in (
        (EXPECTED, [line(alert) for alert in replayed.alerts]),
        (CASES, [case_line(case) for case in replayed.cases]),
    ):
        if os.environ.get("FORESHOCK_TEST_GOLDEN") == "write":
            path.write_text("\n".join(found) + "\n", encoding="utf-8")
        expected = path.read_text(encoding="utf-8").splitlines()
        assert found == expected, "if this change is meant: FORESHOCK_TEST_GOLDEN=write pytest tests/golden"
    assert {alert["case_id"] for alert in replayed.alerts} == {case["case_id"] for case in replayed.cases}


def test_an_account_has_one_open_case_of_a_subject_at_most() -> None:
    last: dict[str, dict[str, Any]] = {}
    for text in CASES.read_text(encoding="utf-8").splitlines():
        case = json.loads(text)
        last[case["case_id"]] = case
        open_now = [(one["account_id"], one["subject"]) for one in last.values() if one["status"] != "closed"]
        assert len(set(open_now)) == len(open_now), case
    assert {case["subject"] for case in last.values()} >= {"risk", "growth", "data"}


def test_the_known_alerts_have_every_kind_and_every_way_to_end() -> None:
    known = [json.loads(text) for text in EXPECTED.read_text(encoding="utf-8").splitlines()]
    kinds = {alert["kind"] for alert in known} | {kind for alert in known for kind in alert["joined"]}
    assert kinds >= {
        "usage_drop", "power_user_decline", "silence", "ticket_surge", "p1_open", "payment_failed", "invoice_overdue",
        "renewal_at_risk", "health_changed", "seat_saturation", "sustained_growth", "role_decline",
    }  # fmt: skip
    assert {alert["status"] for alert in known} >= {"firing", "resolved"}
