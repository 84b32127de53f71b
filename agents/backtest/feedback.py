"""What people said of the alerts, by the commands among the event files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

VERDICTS = ("useful", "false_alarm", "known", "late")
_FIELDS = ("action", "verdict", "outcome", "kind", "alert_id", "case_id")


def feedback_of(
    commands: pa.Table, alerts: Sequence[Mapping[str, Any]], cases: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """By kind: how often each verdict was given, how many in all, and the rates; as the view v_feedback counts.

    Args:
        commands: rows of commands.
        alerts: every revision; a command names one of them.
        cases: every revision; a case that is closed as a false alarm speaks of its lead.
    """
    kind_of = {alert["alert_id"]: alert["kind"] for alert in alerts}
    lead_of = {case["case_id"]: case["lead_kind"] for case in cases}
    said: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in commands.select(_FIELDS).to_pylist():
        kind, verdict = row["kind"] or kind_of.get(row["alert_id"]), row["verdict"]
        if row["action"] == "expected":
            verdict = "known"
        elif row["action"] == "resolve" and row["outcome"] == "false_alarm":
            kind, verdict = lead_of.get(row["case_id"]), "false_alarm"
        elif row["action"] != "feedback":
            continue
        if kind is not None and verdict is not None:
            said[kind][verdict] += 1
    return {kind: _rates(said[kind]) for kind in sorted(said)}


def _rates(counts: Counter[str]) -> dict[str, Any]:
    total = counts.total()
    given = {verdict: counts[verdict] for verdict in VERDICTS}
    return {**given, "n": total, **{f"{verdict}_rate": round(count / total, 4) for verdict, count in given.items()}}
