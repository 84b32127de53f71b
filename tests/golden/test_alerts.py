"""The alerts of a small stream, line by line, as they were agreed on.

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
SETTINGS = SimulationSettings(seed=14, accounts=64, days=112, incidents_per_kind=2)
SEEN_AT_MS = 1_800_000_000_000
FIELDS = (
    "updated_at", "account_id", "kind", "dimension", "revision", "status", "transition_reason", "severity", "score",
    "starts_at", "ends_at", "detected_at", "alert_id", "summary", "joined",
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


def test_a_known_stream_gives_the_known_alerts() -> None:
    replayed = replay(EventFiles.of(simulate(SETTINGS)), EngineConfig(), seen_at_ms=SEEN_AT_MS)
    found = [line(alert) for alert in replayed.alerts]
    if os.environ.get("FORESHOCK_TEST_GOLDEN") == "write":
        EXPECTED.write_text("\n".join(found) + "\n", encoding="utf-8")
    expected = EXPECTED.read_text(encoding="utf-8").splitlines()
    assert found == expected, "if this change is meant: FORESHOCK_TEST_GOLDEN=write pytest tests/golden"


def test_the_known_alerts_have_every_kind_and_every_way_to_end() -> None:
    known = [json.loads(text) for text in EXPECTED.read_text(encoding="utf-8").splitlines()]
    kinds = {alert["kind"] for alert in known} | {kind for alert in known for kind in alert["joined"]}
    assert kinds >= {
        "usage_drop", "power_user_decline", "silence", "ticket_surge", "p1_open", "payment_failed", "invoice_overdue",
        "renewal_at_risk", "health_changed", "seat_saturation", "sustained_growth", "role_decline",
    }  # fmt: skip
    assert {alert["status"] for alert in known} >= {"firing", "resolved"}
