"""`foreshock portfolio`, and the same figures beside a backtest."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from agents.eventfiles.files import read_events, write_events
from pipeline.simulate import SimulationSettings, simulate
from tests.support.commands import Commands


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    write_events(simulate(SimulationSettings(seed=5, accounts=30, days=100)), folder)
    return folder


def figures(document: dict[str, Any], **wanted: str | None) -> list[dict[str, Any]]:
    return [each for each in document["figures"] if all(each[name] == value for name, value in wanted.items())]


def test_programs_get_every_figure_by_period_and_segment(foreshock: Commands, events: Path) -> None:
    document = json.loads(foreshock("portfolio", "--events", events, "--json").out)
    assert document["accounts"] == 30
    segments = {each["segment"] for each in document["figures"]}
    assert None in segments
    assert len(segments) > 2
    (churn,) = figures(document, metric="logo_churn", period="trailing_30d", segment=None)
    assert churn["value"] == 0.0
    (nps,) = figures(document, metric="nps", period="trailing_90d", segment=None, dimension=None)
    assert -100 <= nps["low"] <= nps["value"] <= nps["high"] <= 100
    (dau,) = figures(document, metric="dau_mau", period="trailing_30d", segment=None)
    assert 0 < dau["value"] < 1
    assert {len(each["users_by_active_days"]) for each in document["histograms"]} == {28}


def test_users_of_the_segments_add_up_to_all_users(foreshock: Commands, events: Path) -> None:
    document = json.loads(foreshock("portfolio", "--events", events, "--json").out)
    found = figures(document, metric="dau_mau", period="trailing_30d")
    assert sum(each["n"] for each in found if each["segment"]) == next(
        each["n"] for each in found if not each["segment"]
    )
    paying = figures(document, metric="mrr_minor", period="trailing_30d")
    total = next(each["value"] for each in paying if each["segment"] is None)
    assert sum(each["value"] for each in paying if each["segment"]) == total > 0


def test_files_are_written_and_the_same_again(foreshock: Commands, events: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert foreshock("portfolio", "--events", events, "--out", tmp_path / name).exit_code == 0
    for name in ("portfolio.json", "portfolio.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    with (tmp_path / "one" / "portfolio.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(json.loads((tmp_path / "one" / "portfolio.json").read_bytes())["figures"])


def test_people_see_the_last_month_and_the_trailing_windows(foreshock: Commands, events: Path) -> None:
    ran = foreshock("portfolio", "--events", events)
    header, *_ = ran.out.splitlines()
    assert header.split()[0] == "metric"
    assert header.count(" to ") == 3
    assert "logo_churn" in ran.out
    assert "gross_mrr_churn" in ran.out


def test_a_backtest_writes_the_figures_with_the_bands_that_it_found(
    foreshock: Commands, events: Path, tmp_path: Path
) -> None:
    assert foreshock("backtest", "--events", events, "--out", tmp_path).exit_code == 0
    document = json.loads((tmp_path / "portfolio.json").read_bytes())
    report = json.loads((tmp_path / "report.json").read_bytes())
    bands = report["accounts"]["by_band"]
    scored = bands["green"] + bands["yellow"] + bands["red"]
    (green,) = figures(document, metric="green", segment=None)
    assert (green["n"], green["value"]) == (scored, pytest.approx(bands["green"] / scored, abs=1e-6))
    assert sum(document["nine_box"].values()) <= scored


def test_files_without_events_have_no_figures(foreshock: Commands, tmp_path: Path) -> None:
    (tmp_path / "profiles.csv").write_text("account_id,segment\na,s\n")
    assert read_events(tmp_path).rows == 1
    document = json.loads(foreshock("portfolio", "--events", tmp_path, "--json").out)
    assert document["figures"] == []


def test_times_are_read_as_those_of_a_backtest(foreshock: Commands, tmp_path: Path) -> None:
    rows = [f"a,nps,9,{at}" for at in ("1767225600", "2026-02-01T00:30:00", "2026-03-02", "2099-01-01")]
    (tmp_path / "signals.csv").write_text("account_id,type,score,occurred_at\n" + "\n".join(rows) + "\n")
    ran = foreshock("portfolio", "--events", tmp_path, "--json", "--time-unit", "s", "--utc-offset", "+01:00")
    (january,) = figures(json.loads(ran.out), metric="nps", starts_on="2026-01-01", segment=None, dimension=None)
    assert january["n"] == 2
    assert "1 bad row left out" in ran.err
