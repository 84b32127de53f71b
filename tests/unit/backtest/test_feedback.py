"""What people said of alerts, counted from the commands among event files."""

from __future__ import annotations

import pyarrow as pa

from agents.backtest.feedback import feedback_of

ALERTS = [{"alert_id": "a1", "kind": "silence"}, {"alert_id": "a2", "kind": "ticket_surge"}]
CASES = [{"case_id": "c1", "lead_kind": "usage_drop"}, {"case_id": "c1", "lead_kind": "silence"}]


def rows(*given: dict[str, str]) -> pa.Table:
    names = ("action", "verdict", "outcome", "kind", "alert_id", "case_id")
    return pa.Table.from_pylist(list(given), pa.schema([(name, pa.string()) for name in names]))


def test_each_verdict_counts_for_the_kind_that_it_is_about() -> None:
    found = feedback_of(
        rows(
            {"action": "feedback", "verdict": "useful", "alert_id": "a1"},
            {"action": "feedback", "verdict": "late", "alert_id": "a1", "kind": "ticket_surge"},
            {"action": "expected", "kind": "ticket_surge"},
            {"action": "resolve", "outcome": "false_alarm", "case_id": "c1"},
            {"action": "resolve", "outcome": "saved", "case_id": "c1"},
            {"action": "feedback", "verdict": "useful", "alert_id": "unknown"},
            {"action": "acknowledge", "case_id": "c1"},
        ),
        ALERTS,
        CASES,
    )
    assert list(found) == ["silence", "ticket_surge"]
    assert found["silence"].items() >= {"n": 2, "useful": 1, "false_alarm": 1, "useful_rate": 0.5}.items()
    assert found["ticket_surge"].items() >= {"n": 2, "late": 1, "known": 1, "useful_rate": 0.0}.items()


def test_without_commands_there_is_nothing_to_say() -> None:
    assert feedback_of(rows(), ALERTS, CASES) == {}
