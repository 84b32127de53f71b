"""`foreshock backtest --labels` with outcomes: the figures are those of the alerts that it writes."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.backtest.charts import lead_time_chart, reliability_chart, series_chart
from agents.backtest.outcomes import outcomes_of, score_outcomes
from agents.eventfiles.files import read_events, read_labels
from pipeline.config import EngineConfig
from pipeline.kinds import enabled_by_level
from pipeline.scoring.protocol import Protocol
from pipeline.scoring.scored import Scored
from tests.support.commands import foreshock
from tests.support.repository import text

DAY_MS = 86_400_000
START_MS = 1_704_067_200_000
DAYS = 420
LOST_DAY = 300
FALLEN = ("foreseen-1", "foreseen-2", "<b>false</b>")
CHURNED = ("foreseen-1", "foreseen-2", "missed-1", "missed-2")
STEADY = tuple(f"steady-{number}" for number in range(4))


def usage_rows(account: str, random: np.random.Generator) -> list[str]:
    rows = []
    for day in range(DAYS):
        if account in CHURNED and day >= LOST_DAY:
            break
        mean = 40.0 if account not in FALLEN or day < LOST_DAY - 60 else 8.0
        count = int(random.poisson(mean))
        if count:
            at_ms = START_MS + day * DAY_MS + 12 * 3_600_000
            rows.append(f"{account},f,{at_ms},{account}-{day},{count}")
    return rows


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    random = np.random.default_rng(3)
    rows = [row for account in (*FALLEN, "missed-1", "missed-2", *STEADY) for row in usage_rows(account, random)]
    rows.sort(key=lambda row: int(row.split(",")[2]))
    (folder / "usage.csv").write_text("account_id,feature,occurred_at,event_id,quantity\n" + "\n".join(rows) + "\n")
    profiles = [f"{account},{'ann' if account < 'm' else 'bob'},100000" for account in (*CHURNED, *STEADY)]
    (folder / "profiles.csv").write_text("account_id,owner,arr_minor\n" + "\n".join(profiles) + "\n")
    (folder / "billing.csv").write_text(
        "account_id,type,occurred_at,event_id,currency,mrr_minor_after\n"
        f"missed-1,subscription_started,{START_MS},b1,EUR,90000\n"
    )
    lost = [f"{account},churned,{START_MS + LOST_DAY * DAY_MS}" for account in CHURNED]
    (folder / "labels.csv").write_text("account_id,kind,at\n" + "\n".join(lost) + "\n")
    return folder


@pytest.fixture(scope="module")
def out(events: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    arguments = ("--events", events, "--out", folder, "--labels", events / "labels.csv")
    (folder / "shown.txt").write_text(foreshock("backtest", *arguments, check=True).stdout)
    return folder


@pytest.fixture(scope="module")
def outcomes(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "report.json").read_bytes())["outcomes"]
    return found


def alerts_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "alerts.jsonl").read_bytes().splitlines()]


def test_recall_by_lead_time_is_that_of_the_alerts_in_the_file(out: Path, outcomes: dict[str, Any]) -> None:
    leads: dict[str, float] = {}
    for alert in alerts_of(out):
        if alert["family"] == "risk" and alert["revision"] == 1 and alert["account_id"] in CHURNED:
            lead = (START_MS + LOST_DAY * DAY_MS - alert["detected_at"]) / DAY_MS
            if 0 <= lead <= 120:
                leads[alert["account_id"]] = max(lead, leads.get(alert["account_id"], 0))
    assert set(leads) == {"foreseen-1", "foreseen-2"}
    for row in outcomes["leads"]:
        assert row["outcomes"] == 4
        assert row["foreseen"] == sum(lead >= row["lead_days"] for lead in leads.values())
        assert row["recall"] == row["foreseen"] / 4
    assert outcomes["leads"][1]["recall"] == 0.5
    assert outcomes["leads"][3]["recall"] == 0.0


def test_a_report_says_how_far_the_rules_go_and_what_each_kind_was_followed_by(out: Path) -> None:
    enabled = json.loads((out / "report.json").read_bytes())["kinds_enabled"]
    assert enabled == enabled_by_level(EngineConfig())
    shown = (out / "shown.txt").read_text()
    assert f"kinds enabled: {enabled['basic']} basic, {enabled['intermediate']} intermediate" in shown
    assert re.search(r"alerts +opened +followed by a loss +median lead", shown)
    assert re.search(r"usage_drop +\d+ +\d+%", shown)


def test_revenue_is_from_billing_before_the_loss_and_else_from_the_profile(
    outcomes: dict[str, Any], events: Path
) -> None:
    found = outcomes_of(read_labels(events / "labels.csv"), read_events(events))
    assert {each.account_id: each.worth_minor for each in found} == {
        "foreseen-1": 100_000, "foreseen-2": 100_000, "missed-1": 1_080_000, "missed-2": 100_000
    }  # fmt: skip
    assert outcomes["leads"][1]["recall_by_worth"] == pytest.approx(200_000 / 1_380_000, abs=1e-4)


def test_the_worst_miss_is_the_most_valuable_and_its_series_is_given(outcomes: dict[str, Any]) -> None:
    worst = outcomes["worst_misses"][0]
    assert worst["account_id"] == "missed-1"
    assert len(worst["series"]) == 52
    assert worst["series"][39] > 100
    assert worst["series"][45] == 0
    assert worst["outcomes"] == [{"kind": "churned", "at_ms": START_MS + LOST_DAY * DAY_MS}]


def test_a_false_alarm_is_shown_with_its_series_and_cannot_become_markup(out: Path, outcomes: dict[str, Any]) -> None:
    assert "<b>false</b>" in {each["account_id"] for each in outcomes["worst_false_alarms"]}
    page = (out / "report.html").read_text()
    assert "<b>false</b>" not in page
    assert "&lt;b&gt;false&lt;/b&gt;" in page
    assert page.count('class="chart"') == 2 + len(outcomes["worst_misses"]) + len(outcomes["worst_false_alarms"])
    assert not re.search(r"<script|<link|<img|url\(|(?:src|href)\s*=", page)


def test_owners_have_so_many_alerts_a_week(out: Path, outcomes: dict[str, Any]) -> None:
    load = outcomes["load"]
    assert load["owners"] == 2
    openings = [each for each in alerts_of(out) if each["revision"] == 1 and each["family"] in ("risk", "expansion")]
    owned = [each for each in openings if each["account_id"] in (*CHURNED, *STEADY)]
    assert load["alerts_per_owner_week"] == pytest.approx(len(owned) / 2 / load["weeks"], abs=1e-3)


def test_a_scorecard_that_misses_churn_is_said_to_be_stale_in_an_alert_line(events: Path, tmp_path: Path) -> None:
    later = [f"steady-{number},churned,{START_MS + (LOST_DAY + 92) * DAY_MS}" for number in range(3)]
    labels = (events / "labels.csv").read_text() + "\n".join(later) + "\n"
    (tmp_path / "labels.csv").write_text(labels)
    arguments = ["--events", events, "--labels", tmp_path / "labels.csv", "--out", tmp_path, "--recall-target", 0.6]
    ran = foreshock("backtest", *arguments, check=True)
    stale = [alert for alert in alerts_of(tmp_path) if alert["kind"] == "scorecard_stale"]
    assert len(stale) == 1
    assert (stale[0]["family"], stale[0]["status"], stale[0]["account_id"]) == ("system", "firing", "*")
    assert datetime.fromtimestamp(stale[0]["detected_at"] / 1000, UTC) == datetime(2025, 4, 1, tzinfo=UTC)
    assert stale[0]["signal"]["observed"] == 0.0
    assert stale[0]["signal"]["expected"] == 0.6
    assert "scorecard stale: churn recall 50% and 0%, target 60%" in ran.stdout
    order = [(alert["updated_at"], alert["account_id"], alert["alert_id"]) for alert in alerts_of(tmp_path)]
    assert order == sorted(order)


def test_the_result_does_not_depend_on_the_order_of_labels_or_alerts(events: Path, out: Path) -> None:
    files, labels = read_events(events), read_labels(events / "labels.csv")
    one, other = (
        score_outcomes(outcomes_of(list(order(labels)), files), files, list(order(alerts_of(out))), Protocol())
        for order in (list, reversed)
    )
    assert one == other


def test_alerts_in_shadow_are_counted_and_judged_apart(events: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "foreshock.toml").write_text('[kinds]\nshadow = ["silence"]\n')
    paths = ["--events", events, "--labels", events / "labels.csv", "--out", tmp_path]
    ran = foreshock("backtest", *paths, "--config", tmp_path / "foreshock.toml", check=True)
    plain, trial = (json.loads((folder / "report.json").read_bytes()) for folder in (out, tmp_path))
    drops = plain["alerts"]["by_kind"].pop("silence")
    assert trial["alerts"]["shadow"] == {"total": drops, "by_kind": {"silence": drops}}
    assert trial["alerts"]["by_kind"] == plain["alerts"]["by_kind"]
    assert trial["alerts"]["total"] == plain["alerts"]["total"] - drops
    assert f"{drops}</b>alerts in shadow" in (tmp_path / "report.html").read_text()
    assert "in shadow" in ran.stdout

    (judged,) = [row for row in plain["outcomes"]["kinds"] if row["kind"] == "silence"]
    assert [row["kind"] for row in trial["outcomes"]["shadow_kinds"]] == ["silence"]
    assert trial["outcomes"]["shadow_kinds"][0] == judged
    assert judged["alerts"] == drops
    files, others = read_events(events), [each for each in alerts_of(out) if each["kind"] != "silence"]
    without = score_outcomes(outcomes_of(read_labels(events / "labels.csv"), files), files, others)
    assert trial["outcomes"]["verdicts"] == without.verdicts
    assert trial["outcomes"]["load"]["alerts_per_owner_week"] == round(without.load.alerts_per_owner_week or 0.0, 4)
    assert trial["outcomes"]["down"]["alerts"] == without.down.alerts <= plain["outcomes"]["down"]["alerts"]


def test_labels_of_incidents_alone_have_no_outcomes(events: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(f"account_id,kind,at\nforeseen-1,usage_drop,{START_MS + 240 * DAY_MS}\n")
    foreshock("backtest", "--events", events, "--out", tmp_path, "--labels", tmp_path / "labels.csv", check=True)
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert report["outcomes"] is None
    assert report["labels"]["found"] == 1


def test_every_field_of_the_scores_is_described() -> None:
    section = text("pipeline/SEMANTICS.md").partition("## Scoring a backtest")[2].partition("\n## ")[0]
    assert {field.name for field in fields(Scored)} <= set(re.findall(r"`(\w+)`", section))


def test_charts_of_nothing_are_charts() -> None:
    for chart in (
        lead_time_chart([]),
        reliability_chart([]),
        series_chart({"series": [], "series_starts_at_ms": 0, "outcomes": [], "alerts": []}),
    ):
        assert chart.startswith("<svg")
        assert chart.endswith("</svg>")


def test_a_chart_escapes_what_it_is_given() -> None:
    outcome = {"kind": "<script>", "at_ms": 0}
    chart = series_chart({"series": [1.0], "series_starts_at_ms": 0, "outcomes": [outcome], "alerts": [outcome]})
    assert "<script>" not in chart
    assert chart.count("&lt;script&gt;") == 2
