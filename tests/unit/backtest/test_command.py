"""`foreshock backtest`: its files, its exit codes, and what it says about bad input."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agents.eventfiles.files import write_events
from tests.support.commands import Commands, Ran, foreshock
from tests.unit.backtest.streams import stream


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    write_events(stream(), folder)
    return folder


@pytest.fixture
def backtest(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`foreshock backtest` as a function."""
    return partial(Commands(monkeypatch, capsys), "backtest")


@pytest.fixture(scope="module")
def done(events: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    foreshock("backtest", "--events", events, "--out", out, "--labels", events / "labels.csv", check=True)
    return out


def alerts_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "alerts.jsonl").read_bytes().splitlines()]


def report_of(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "report.json").read_bytes())
    return document


def test_the_same_input_gives_the_same_bytes(
    backtest: Callable[..., Ran], events: Path, done: Path, tmp_path: Path
) -> None:
    assert backtest("--events", events, "--out", tmp_path, "--partitions", 3).exit_code == 0
    for name in ("alerts.jsonl", "cases.jsonl"):
        assert (tmp_path / name).read_bytes() == (done / name).read_bytes()


def test_an_alert_line_has_what_readers_were_promised(done: Path) -> None:
    promised = {
        "alert_id", "revision", "status", "account_id", "family", "kind", "severity", "score", "starts_at",
        "detected_at", "summary", "dimensions",
    }  # fmt: skip
    alerts = alerts_of(done)
    assert alerts
    assert all(promised <= alert.keys() for alert in alerts)
    order = [(alert["updated_at"], alert["account_id"], alert["alert_id"], alert["revision"]) for alert in alerts]
    assert order == sorted(order)


def test_the_report_adds_up(done: Path) -> None:
    report, alerts = report_of(done), alerts_of(done)
    openings = [alert for alert in alerts if alert["revision"] == 1]
    assert report["alerts"]["revisions"] == len(alerts)
    for name in ("by_kind", "by_family", "by_severity", "by_status"):
        assert sum(report["alerts"][name].values()) == len(openings) == report["alerts"]["total"]
    bars = report["alerts"]["over_time"]["by_kind"]
    assert {kind: sum(counts) for kind, counts in bars.items()} == report["alerts"]["by_kind"]
    for row in report["input"]["topics"].values():
        assert sum(row["fates"].values()) == row["events"] + row["ticks"]
    assert sum(report["accounts"]["by_band"].values()) == report["accounts"]["total"] == 24


def test_the_report_names_each_label_with_the_alert_that_found_it(done: Path) -> None:
    labels = report_of(done)["labels"]
    ids = {alert["alert_id"]: alert for alert in alerts_of(done)}
    assert labels["total"] == len(labels["findings"]) > 0
    assert labels["found"] == sum(row["found"] for row in labels["by_kind"].values()) > 0
    for finding in labels["findings"]:
        if finding["found"]:
            alert = ids[finding["alert_id"]]
            assert alert["account_id"] == finding["account_id"]
            assert finding["delay_days"] == pytest.approx((alert["detected_at"] - finding["at"]) / 86_400_000, abs=0.01)


def test_the_page_needs_nothing_from_elsewhere_and_shows_the_series(done: Path) -> None:
    page = (done / "report.html").read_text()
    assert not re.search(r"<script|<link|<img|url\(|(?:src|href)\s*=", page)
    assert page.count("<rect ") >= len(report_of(done)["alerts"]["by_kind"])
    assert "Missed labels" in page


def test_what_customers_are_called_cannot_become_markup(backtest: Callable[..., Ran], tmp_path: Path) -> None:
    lines = [
        {"account_id": "<b>a</b>", "type": "payment_failed", "occurred_at": 1_700_000_000_000 + n, "event_id": f"e{n}",
         "invoice_id": "<script>alert(1)</script>", "currency": "EUR"}
        for n in range(3)
    ]  # fmt: skip
    (tmp_path / "billing.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert backtest("--events", tmp_path, "--out", tmp_path / "out").exit_code == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "&lt;b&gt;a&lt;/b&gt;" in page
    assert "<script>" not in page
    assert "<b>a</b>" not in page


def test_bad_rows_are_all_listed_and_nothing_is_replayed(backtest: Callable[..., Ran], tmp_path: Path) -> None:
    _write_bad(tmp_path)
    result = backtest("--events", tmp_path, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 2
    assert [(one["good"], one["rejected"]) for one in json.loads(result.out)["files"]] == [(1, 2)]
    rejects = [json.loads(line) for line in (tmp_path / "out" / "rejects.jsonl").read_bytes().splitlines()]
    assert {(reject["file"], reject["row"], reject["field"]) for reject in rejects} == {
        ("usage.csv", 3, "occurred_at"),
        ("usage.csv", 4, "account_id"),
    }
    assert "2 of 3 rows are bad" in result.err
    assert not (tmp_path / "out" / "alerts.jsonl").exists()


def test_bad_rows_can_be_left_out(backtest: Callable[..., Ran], tmp_path: Path) -> None:
    _write_bad(tmp_path)
    assert backtest("--events", tmp_path, "--out", tmp_path / "out", "--skip-bad").exit_code == 0
    report = report_of(tmp_path / "out")
    assert (report["input"]["events"], report["input"]["rejected_rows"]) == (1, 2)


def _write_bad(folder: Path) -> None:
    rows = ["account_id,occurred_at,feature", "a1,2026-01-05T10:00:00Z,x", "a1,yesterday,x", ",2026-01-05T10:00:00Z,x"]
    (folder / "usage.csv").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.txt", "hello", "no event file"),
        ("usage.csv", "feature\nx\n", "usage.csv: required columns are missing"),
        ("usage.parquet", "no parquet", "usage.parquet"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    backtest: Callable[..., Ran], tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    ran = backtest("--events", tmp_path, "--out", tmp_path / "out")
    assert ran.exit_code == 2
    assert said in ran.err


def test_every_problem_of_the_labels_is_said(backtest: Callable[..., Ran], events: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("account_id,kind,at\nacc-1,vanished,2026-01-01\nacc-2,churned,someday\n")
    ran = backtest("--events", events, "--labels", tmp_path / "labels.csv", "--out", tmp_path / "out")
    assert ran.exit_code == 2
    assert "unknown kind 'vanished'" in ran.err
    assert "not a time: someday" in ran.err


def test_programs_get_json(backtest: Callable[..., Ran], events: Path, tmp_path: Path) -> None:
    result = backtest("--events", events, "--out", tmp_path, "--json")
    document = json.loads(result.out)
    assert document["alerts"]["total"] == report_of(tmp_path)["alerts"]["total"]
    assert document["labels"] is None


def test_times_are_read_in_the_unit_and_at_the_offset_that_is_given(
    backtest: Callable[..., Ran], tmp_path: Path
) -> None:
    events, to = tmp_path / "usage.csv", tmp_path / "out"
    events.write_text("account_id,occurred_at,feature\na1,1767225600,x\na1,2026-01-02T10:00:00,x\n")
    run = ("--events", events, "--out", to)
    refused = backtest(*run)
    assert refused.exit_code == 2
    assert "usage.csv:2: occurred_at: lies in 1970: seconds instead of milliseconds?" in refused.err
    assert backtest(*run, "--time-unit", "s", "--utc-offset", "-05:00").exit_code == 0
    assert not (to / "rejects.jsonl").exists()
    wrong = backtest(*run, "--utc-offset", "CET")
    assert wrong.exit_code == 2
    assert "--utc-offset CET" in wrong.err
