"""Alert records: identity, content and score."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerts.lifecycle import Change
from pipeline.alerts.records import (
    MAX_SUMMARY,
    Alerting,
    Explanation,
    alert_id,
    change_pct,
    context_record,
    optional,
    state_of,
)
from pipeline.books.book import Book, Context, Episode
from pipeline.config import EngineConfig
from pipeline.kinds import KINDS
from pipeline.terms.kind import Kind
from schemas.event_types import ALERT_SEVERITIES
from schemas.topics import DAY_MS

AT_MS = 20_000 * DAY_MS
EXPLANATION = Explanation(AT_MS - 7 * DAY_MS, AT_MS, baseline_days=56)
DETECTED = Change("firing", "detected", AT_MS)
FIGURES = st.integers(-(10**12), 10**12).map(lambda value: value / 1000) | st.sampled_from([float("nan"), float("inf")])


def drop(**changes: Any) -> Episode:
    values = {"opened_day": 19_999, "starts_at_ms": AT_MS - DAY_MS, "detected_at_ms": AT_MS, "severity": "error"}
    figures = {"observed": 231.0, "expected": 700.0, "evidence": 9.5}
    return Episode(**{"kind": "usage_drop", "dimension": "total_usage", **values, **figures, **changes})


def record(episode: Episode, context: Context | None = None, config: EngineConfig | None = None) -> dict[str, Any]:
    book = Book(context=context or Context(name="Acme"))
    alerting = Alerting(config or EngineConfig())
    return alerting.record(KINDS[episode.kind], "a1", book, episode, DETECTED, EXPLANATION, 19_999)


def test_the_identity_of_an_alert_never_changes() -> None:
    assert alert_id("acme", "usage_drop", "total_usage", 1_700_000_000_000) == UUID(
        "10f01942-9d43-5dc2-b26b-63e9a7575c4c"
    )


@pytest.mark.parametrize(
    "other",
    [("b", "silence", "activity", 1), ("a", "usage_drop", "activity", 1), ("a", "silence", "x", 1),
     ("a", "silence", "activity", 2)],
)  # fmt: skip
def test_account_kind_dimension_and_start_tell_alerts_apart(other: tuple[str, str, str, int]) -> None:
    assert alert_id(*other) != alert_id("a", "silence", "activity", 1)


@given(FIGURES, FIGURES, FIGURES, st.text(max_size=300))
def test_the_same_id_and_revision_are_the_same_bytes(
    observed: float, expected: float, evidence: float, name: str
) -> None:
    episode = drop(observed=observed, expected=expected, evidence=evidence)
    first, second = (
        json.dumps(record(each, Context(name=name)), allow_nan=False)
        for each in (episode, drop(observed=observed, expected=expected, evidence=evidence))
    )
    assert first == second


def test_a_record_says_what_was_seen_what_was_expected_and_how_sure_it_is() -> None:
    alert = record(drop(), Context(name="Acme", arr_minor=100, renewal_at_ms=AT_MS + 30 * DAY_MS + 5, owner="ann"))
    assert alert["signal"] == {
        "metric": "total_usage",
        "unit": "actions",
        "direction": "down",
        "observed": 231.0,
        "expected": 700.0,
        "change_pct": -67.0,
        "window_start": AT_MS - 7 * DAY_MS,
        "window_end": AT_MS,
        "currency": None,
    }
    assert (alert["evidence"]["value"], alert["evidence"]["threshold"]) == (
        9.5,
        round(math.log(EngineConfig().run_length_days), 6),
    )
    assert (alert["score"], alert["owner"], alert["family"]) == (9.5, "ann", "risk")
    assert (alert["context"]["days_to_renewal"], alert["context"]["arr_at_risk_minor"]) == (30, 100)
    assert alert["play"]["due_at"] == AT_MS + 3 * DAY_MS
    assert alert["summary"] == "Acme: usage fell to 231 actions in 7 days, 700 expected"


def test_an_account_without_a_name_is_called_by_its_id() -> None:
    assert record(drop(), Context())["summary"].startswith("a1: ")


def test_a_long_name_shortens_the_summary_and_not_the_description() -> None:
    alert = record(drop(), Context(name="x" * 200))
    assert alert["summary"] == "x" * MAX_SUMMARY
    assert alert["description"].startswith("x" * 200 + ": usage fell")


def test_other_settings_are_named_in_the_record() -> None:
    config = EngineConfig(arl_days=300.0)
    alert = record(drop(), config=config)
    assert (alert["config_hash"], alert["evidence"]["arl_days"]) == (config.config_hash, 300.0)
    assert alert["config_hash"] != record(drop())["config_hash"]


def test_a_statistical_alert_tells_what_false_alarms_cost() -> None:
    config = EngineConfig(false_per_owner_per_week=0.5)
    evidence = record(drop(), config=config)["evidence"]
    assert evidence["expected_false_alerts_per_owner_week"] == 0.5
    assert evidence["arl_days"] == config.run_length_days == 2 * EngineConfig().run_length_days


def test_the_onset_of_a_change_is_told_in_days() -> None:
    alert = record(drop(onset=(20_000, 19_998, 20_001)))
    assert alert["onset"] == {"estimate": 20_000 * DAY_MS, "low": 19_998 * DAY_MS, "high": 20_001 * DAY_MS}
    assert record(drop())["onset"] is None


def test_facts_have_no_threshold() -> None:
    alert = record(drop(kind="p1_open", dimension="tickets"))
    assert (alert["evidence"]["threshold"], alert["evidence"]["arl_days"]) == (None, None)


def test_revenue_is_at_risk_only_where_something_is_at_risk() -> None:
    context = Context(arr_minor=100)
    assert context_record(context, AT_MS, at_risk=False)["arr_at_risk_minor"] is None
    assert context_record(context, AT_MS, at_risk=True)["arr_at_risk_minor"] == 100


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
@given(evidence=st.floats(0, 1e9), more=st.floats(0, 1e9), severity=st.sampled_from(ALERT_SEVERITIES))
def test_a_score_is_within_0_and_20_and_rises_with_the_evidence(
    kind: Kind, evidence: float, more: float, severity: str
) -> None:
    score, higher = kind.score(severity, evidence), kind.score(severity, evidence + more)
    assert 0.0 <= score <= higher <= 20.0


@given(st.floats(-1e9, 0))
def test_evidence_for_the_contrary_scores_nothing(evidence: float) -> None:
    assert KINDS["usage_drop"].score("error", evidence) == 0.0


def test_a_fact_scores_by_its_severity() -> None:
    scores = [KINDS["payment_failed"].score(severity, 1.0) for severity in ALERT_SEVERITIES]
    assert scores == [14.0, 16.0, 18.0, 20.0]


def test_four_deviations_score_like_a_log_evidence_of_eight() -> None:
    deviating = replace(KINDS["ticket_surge"], evidence="deviations")
    assert deviating.score("warning", 4.0) == KINDS["usage_drop"].score("error", 8.0) == 8.0


@pytest.mark.parametrize(
    ("observed", "expected", "change", "state"),
    [
        (85.0, 100.0, -15.0, "flat"),
        (84.9, 100.0, -15.1, "down"),
        (115.0, 100.0, 15.0, "flat"),
        (116.0, 100.0, 16.0, "up"),
        (1.0, 0.0, None, "unknown"),
        (float("nan"), 1.0, None, "unknown"),
    ],
)
def test_a_change_is_relative_to_what_was_expected(
    observed: float, expected: float, change: float | None, state: str
) -> None:
    assert (change_pct(observed, expected), state_of(observed, expected)) == (change, state)


def test_a_figure_that_is_not_finite_is_left_out() -> None:
    assert [optional(value) for value in (0.12345678, float("inf"), float("nan"))] == [0.123457, None, None]
