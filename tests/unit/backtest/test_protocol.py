"""Warnings against outcomes on small streams that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.scoring.chance import chance_of_hit, lift, random_recall, skill
from pipeline.scoring.detection import Detecting
from pipeline.scoring.judged import Outcome, Verdict, Warned, first_of_runs, judge
from pipeline.scoring.kinds import by_kind, reliability
from pipeline.scoring.leadtime import LeadTimes
from pipeline.scoring.nab import nab_scores, sigmoid
from pipeline.scoring.panel import Panel, panel_of
from pipeline.scoring.protocol import WEEK_MS, Protocol
from pipeline.scoring.spans import halves, quarters, staleness
from schemas.topics import DAY_MS

MONDAY_MS = 1_704_067_200_000
"""2024-01-01."""
RULES = Protocol(established_weeks=4, active_weeks=2, silent_weeks=8, neutral_before_weeks=26)
WEEKS = 104
_numbers = iter(range(10_000))


def day(number: float) -> int:
    return int(MONDAY_MS + number * DAY_MS)


def alert(account_id: str, at_day: float, kind: str = "usage_drop", score: float = 8.0) -> dict[str, Any]:
    return {
        "alert_id": f"{next(_numbers):05d}",
        "account_id": account_id,
        "detected_at": day(at_day),
        "kind": kind,
        "score": score,
    }


def panel(accounts: int = 3, rules: Protocol = RULES) -> Panel:
    """Accounts `a0`, `a1`, … that are active every week for two years."""
    account = np.repeat(np.arange(accounts), WEEKS + 1)
    at_ms = np.tile(MONDAY_MS + np.arange(WEEKS + 1) * WEEK_MS, accounts)
    return panel_of([f"a{n}" for n in range(accounts)], account, at_ms, rules)


def churn(account_id: str, at_day: float, worth_minor: int | None = None) -> Outcome:
    return Outcome(account_id, "churned", day(at_day), worth_minor)


def verdicts(*alerts: dict[str, Any], outcomes: list[Outcome]) -> list[Verdict]:
    return [each.verdict for each in judge(alerts, outcomes, panel(), RULES)]


def test_weeks_begin_on_the_monday_of_the_first_event() -> None:
    found = panel_of(["a"], np.array([0, 0]), np.array([day(2.5), day(29)]), RULES)
    assert found.base_ms == MONDAY_MS
    assert found.weeks == 4
    assert [found.week_of(day(each)) for each in (0, 6.9, 7)] == [0, 0, 1]


def test_an_account_is_watched_once_established_until_it_was_silent_for_long() -> None:
    weeks = np.array([0, 1, 2, 3, 4, 5, 40])
    found = panel_of(["a"], np.zeros(7, dtype=np.int64), MONDAY_MS + weeks * WEEK_MS, RULES)
    # Four weeks of history, and until the eighth week without activity.
    assert np.flatnonzero(found.watched[0]).tolist() == list(range(4, 14))
    assert found.account_weeks == 10
    assert found.watched_weeks("a", 0, 6) == 2
    assert found.watched_weeks("unknown", 0, 6) == 0
    assert found.is_watched("a", day(7 * 5))
    assert not found.is_watched("a", day(7 * 4))


def test_after_a_declared_end_an_account_is_not_watched() -> None:
    account = np.zeros(30, dtype=np.int64)
    at_ms = MONDAY_MS + np.arange(30) * WEEK_MS
    found = panel_of(["a"], account, at_ms, RULES, ends_ms={"a": day(70)})
    assert np.flatnonzero(found.watched[0]).tolist() == list(range(4, 10))


def test_nothing_at_all_makes_an_empty_panel() -> None:
    none = np.array([], dtype=np.int64)
    found = panel_of([], none, none, RULES)
    assert (found.weeks, found.account_weeks) == (0, 0)
    assert LeadTimes([churn("a", 300)], [], found, RULES).at(30).random_recall == 0.0


def test_an_alert_soon_after_a_warning_belongs_to_it() -> None:
    alerts = [alert("a0", 100), alert("a0", 128), alert("a0", 135), alert("a1", 101)]
    assert [each["detected_at"] for each in first_of_runs(alerts, panel(), RULES)] == [day(100), day(101), day(135)]


@pytest.mark.parametrize(
    ("at_day", "verdict"),
    [
        (100, Verdict.FALSE),
        (217, Verdict.FALSE),
        (218, Verdict.NEUTRAL),
        (279, Verdict.NEUTRAL),
        (280, Verdict.HIT),
        (386, Verdict.HIT),
        (387, Verdict.LATE),
        (420, Verdict.LATE),
        (440, Verdict.NEUTRAL),
        (480, Verdict.FALSE),
        (700, Verdict.PENDING),
    ],
)
def test_a_warning_is_judged_by_what_follows(at_day: float, verdict: Verdict) -> None:
    assert verdicts(alert("a0", at_day), outcomes=[churn("a0", 400)]) == [verdict]


def test_a_warning_of_an_account_without_history_is_not_judged() -> None:
    assert verdicts(alert("a9", 100), alert("a0", 10), outcomes=[]) == [Verdict.UNWATCHED] * 2


def test_recall_and_precision_fall_with_the_lead_time() -> None:
    outcomes = [churn("a0", 400, 100), churn("a1", 400, 300)]
    warned = judge([alert("a0", 300), alert("a1", 360), alert("a2", 200)], outcomes, panel(), RULES)
    table = {each.lead_days: each for each in LeadTimes(outcomes, warned, panel(), RULES).table()}
    assert {lead: row.recall for lead, row in table.items()} == {14: 1.0, 30: 1.0, 60: 0.5, 90: 0.5}
    assert {lead: row.recall_by_worth for lead, row in table.items()} == {14: 1.0, 30: 1.0, 60: 0.25, 90: 0.25}
    assert table[30].precision == pytest.approx(2 / 3)
    assert table[60].precision == pytest.approx(1 / 3)
    assert table[60].foreseen == 1


def test_a_miss_lowers_recall_and_not_precision() -> None:
    outcomes = [churn("a0", 400), churn("a1", 400)]
    row = LeadTimes(outcomes, judge([alert("a0", 300)], outcomes, panel(), RULES), panel(), RULES).at(30)
    assert (row.recall, row.precision, row.recall_by_worth) == (0.5, 1.0, None)


def test_the_curve_begins_with_everything_foreseen_and_never_rises() -> None:
    outcomes = [churn("a0", 400), churn("a1", 400), churn("a2", 400)]
    warned = judge([alert("a0", 390), alert("a1", 330)], outcomes, panel(), RULES)
    curve = LeadTimes(outcomes, warned, panel(), RULES).curve()
    recalls = [point.recall or 0.0 for point in curve]
    assert recalls[0] == pytest.approx(2 / 3)
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[-1] == 0.0
    chances = [point.random_recall or 0.0 for point in curve]
    assert chances == sorted(chances, reverse=True)


@pytest.mark.parametrize("rate", [0.002, 0.02, 0.1])
@pytest.mark.parametrize("weeks", [2, 4, 17])
def test_chance_is_what_random_alerts_find(rate: float, weeks: int) -> None:
    cool, length, runs = 4, 60, 4_000
    p = rate / (1 - rate * cool)
    random = np.random.default_rng(5)
    hits = 0
    for draws in random.random((runs, length)):
        free, found = 0, False
        for week in range(length):
            if week >= free and draws[week] < p:
                free = week + cool + 1
                found |= week >= length - weeks
        hits += found
    assert chance_of_hit(rate, weeks, cool) == pytest.approx(hits / runs, abs=0.025)


def test_chance_without_alerts_or_windows_is_nothing_and_too_many_alerts_find_all() -> None:
    assert chance_of_hit(0.0, 10, 4) == chance_of_hit(0.1, 0, 4) == 0.0
    assert chance_of_hit(0.2, 10, 4) == 1.0
    assert random_recall(0.1, [], 4) is None
    assert lift(0.4, 0.2) == 2.0
    assert skill(0.6, 0.2) == pytest.approx(0.5)
    assert skill(None, 0.2) is lift(0.1, 0.0) is skill(1.0, 1.0) is None


def test_detection_counts_false_alarms_on_watched_quarters() -> None:
    outcomes = [churn("a0", 400), Outcome("a1", "contracted", day(350))]
    alerts = [alert("a0", 330), alert("a1", 360), alert("a2", 200), alert("a2", 600), alert("a9", 100)]
    found = Detecting(outcomes, panel(), RULES).figures(alerts)
    assert (found.churn_recall, found.churn_recall_early, found.shift_recall) == (1.0, 1.0, 1.0)
    assert (found.alerts, found.unwatched_alerts, found.false_alarms) == (4, 1, 2)
    assert found.account_quarters == pytest.approx(300 / 13)
    assert found.false_alarms_per_account_quarter == pytest.approx(2 * 13 / 300)
    assert found.precision == 0.5
    assert found.churn_lead_weeks == 10
    assert found.random_churn_recall is not None
    assert 0 < found.random_churn_recall < 0.3


def test_detection_after_the_loss_is_fast_but_not_early() -> None:
    outcomes = [churn("a0", 400)]
    found = Detecting(outcomes, panel(), RULES).figures([alert("a0", 410)])
    assert (found.churn_recall, found.churn_recall_early, found.churn_lead_weeks) == (1.0, 0.0, -1)
    assert found.false_alarms == 0


def test_a_perfect_system_scores_100_and_a_silent_one_0() -> None:
    outcomes = [churn("a0", 400), churn("a1", 500)]
    early = [alert("a0", 280), alert("a1", 380)]
    for name, score in nab_scores(outcomes, judge(early, outcomes, panel(), RULES), RULES).items():
        assert score == pytest.approx(100.0), name
    assert set(nab_scores(outcomes, [], RULES).values()) == {0.0}
    assert set(nab_scores([], [], RULES).values()) == {None}


def test_profiles_weigh_false_alarms_and_misses() -> None:
    outcomes = [churn("a0", 400), churn("a1", 500)]
    noisy = judge([alert("a0", 300), *(alert("a2", 100 + 40 * n) for n in range(8))], outcomes, panel(), RULES)
    scores = nab_scores(outcomes, noisy, RULES)
    assert scores["low_false_positives"] < scores["standard"] < scores["low_misses"]  # type: ignore[operator]


def test_the_worth_of_a_place_falls_from_the_beginning_of_a_window() -> None:
    assert sigmoid(0.0) == 0.0
    assert sigmoid(-1.0) == pytest.approx(0.98661, abs=1e-5)
    assert sigmoid(100.0) == pytest.approx(-1.0)


def test_each_kind_is_judged_without_the_others() -> None:
    outcomes = [churn("a0", 400), churn("a1", 400)]
    alerts = [alert("a0", 300), alert("a1", 340), alert("a1", 350, "silence"), alert("a2", 200, "silence")]
    silence, drop = by_kind(alerts, outcomes, panel(), RULES)
    assert (drop.kind, drop.alerts, drop.hits, drop.precision, drop.foreseen, drop.alone) == (
        "usage_drop", 2, 2, 1.0, 2, 1
    )  # fmt: skip
    assert (silence.hits, silence.false, silence.foreseen, silence.alone) == (1, 1, 1, 0)
    assert drop.median_lead_days == 80


def test_surer_alerts_should_be_right_more_often() -> None:
    outcomes = [churn("a0", 400)]
    alerts = [alert("a0", 300, score=20.0), alert("a1", 300, score=8.1), alert("a2", 300, score=9.9)]
    low, high = reliability(alerts, outcomes, panel(), RULES)
    assert (low.low, low.high, low.alerts, low.hits) == (8, 10, 2, 0)
    assert (high.low, high.alerts, high.rate) == (18, 1, 1.0)


def test_halves_and_quarters_split_outcomes_and_warnings_by_their_own_time() -> None:
    outcomes = [churn("a0", 130), churn("a1", 400), churn("a2", 410)]
    warned = judge([alert("a0", 60), alert("a1", 330)], outcomes, panel(), RULES)
    leads = LeadTimes(outcomes, warned, panel(), RULES)
    first, second = halves(leads, warned, RULES)
    assert (first.outcomes, first.recall, second.outcomes, second.recall) == (1, 1.0, 2, 0.5)
    spans = quarters(leads, warned, RULES)
    assert [span.name for span in spans] == ["2024-Q1", "2024-Q2", "2024-Q4", "2025-Q1"]
    assert [span.churns for span in spans] == [0, 1, 0, 2]
    assert [span.warnings for span in spans] == [1, 0, 1, 0]


def lost(recalls: list[float], each: int = 4) -> tuple[LeadTimes, list[Warned]]:
    """Quarters one after another with so many churns, of which a share was foreseen."""
    outcomes, alerts = [], []
    for quarter, recall in enumerate(recalls):
        for number in range(each):
            account_id = f"a{quarter}-{number}"
            outcomes.append(churn(account_id, 200 + 92 * quarter))
            if number < recall * each:
                alerts.append(alert(account_id, 150 + 92 * quarter))
    warned = judge(alerts, outcomes, panel(), RULES)
    return LeadTimes(outcomes, warned, panel(), RULES), warned


@pytest.mark.parametrize(
    ("recalls", "said"),
    [
        ([0.75, 0.25, 0.75, 0.25], 0),
        ([0.75, 0.25, 0.25, 0.75], 1),
        ([0.25, 0.25, 0.25], 1),
        ([0.25, 0.25, 0.75, 0.0, 0.25], 2),
        ([0.5, 0.5], 0),
    ],
)
def test_a_scorecard_is_stale_after_two_quarters_below_target(recalls: list[float], said: int) -> None:
    leads, warned = lost(recalls)
    found = staleness(quarters(leads, warned, RULES), RULES)
    assert len(found) == said
    for each in found:
        assert len(each.recalls) == 2
        assert all(recall < each.target for recall in each.recalls)


def test_a_quarter_with_few_churns_says_nothing() -> None:
    leads, warned = lost([0.0, 0.0, 0.0], each=2)
    assert staleness(quarters(leads, warned, RULES), RULES) == []
