"""The demo at a small size: what it finds is what a backtest of the same files finds, and nothing is left running."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agents.backtest.run import replay
from agents.demo.folder import sample_settings
from agents.demo.result import stored_alerts
from agents.eventfiles.files import EventFiles
from pipeline.config import EngineConfig
from pipeline.simulate import SimulationSettings, simulate
from schemas.topics import DAY_MS
from sinks.database.rows import canonical
from tests.support.commands import FORESHOCK, foreshock
from tests.support.patience import ended, patience, wait_until
from tests.support.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SIZE = ("--accounts", "30", "--days", "100")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "here"


@pytest.fixture(scope="module")
def demo(folder: Path) -> subprocess.CompletedProcess[str]:
    return foreshock("demo", *SIZE, "--dir", folder, "--json")


@pytest.fixture(scope="module")
def result(demo: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert demo.returncode == 0, demo.stderr
    document: dict[str, Any] = json.loads(demo.stdout)
    return document


def test_every_record_produced_has_one_fate(result: dict[str, Any]) -> None:
    assert result["accounted_for"]
    assert len(result["records"]) == 6
    for row in result["records"]:
        fates = ("applied", "late_applied", "duplicate", "too_late", "dead_lettered")
        assert row["produced"] == sum(row[fate] for fate in fates) > 0
    usage = result["records"][0]
    assert usage["late_applied"] > 0
    assert usage["duplicate"] > 0


def test_the_database_holds_what_a_backtest_of_the_same_files_finds(
    result: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    ran = foreshock("backtest", "--events", result["events"], "--out", tmp_path)
    assert ran.returncode == 0, ran.stderr
    lines = (tmp_path / "alerts.jsonl").read_bytes().splitlines()
    expected = [canonical(json.loads(line)) for line in lines]
    found = [canonical(alert) for alert in stored_alerts(f"sqlite:///{result['database']}")]
    assert len(expected) > 10
    assert found == expected


def test_portfolio_figures_of_the_database_are_those_of_the_same_files(result: dict[str, Any], tmp_path: Path) -> None:
    ran = foreshock("portfolio", "--events", result["events"], "--out", tmp_path)
    assert ran.returncode == 0, ran.stderr
    columns = "starts_on, segment, metric, dimension, value, n"
    with sqlite3.connect(result["database"]) as database:
        rows = database.execute(f"SELECT {columns} FROM v_portfolio_metrics WHERE period = 'month'").fetchall()
    found = {row[:4]: row[4:] for row in rows}
    figures = json.loads((tmp_path / "portfolio.json").read_bytes())["figures"]
    months = {
        (each["starts_on"], each["segment"], each["metric"], each["dimension"]): (each["value"], each["n"])
        for each in figures
        if each["period"] == "month"
    }
    assert len(found) > 50
    of_usage = {name[2] for name in months.keys() - found.keys()}
    assert of_usage == {
        "dau_mau",
        "dau_mau_week_days",
        "actions_per_user",
        "active_hours_per_user",
        "visits_per_user",
        "rollout",
    }
    for name, (value, n) in found.items():
        expected, of = months[name]
        assert n == of
        assert value == (None if expected is None else pytest.approx(expected, abs=1e-6)), name


def test_incidents_are_told_with_what_found_them(result: dict[str, Any]) -> None:
    incidents = result["incidents"]
    assert incidents["total"] == len(incidents["findings"]) > 0
    assert incidents["found"] / incidents["total"] > 0.7


def test_power_users_of_the_sample_are_found_within_a_week() -> None:
    sample = simulate(sample_settings(7, 200, 120))
    began = {
        label["account_id"]: label["at"] for label in sample.labels.to_pylist() if label["kind"] == "power_user_decline"
    }
    alerts = replay(EventFiles.of(sample), EngineConfig(), seen_at_ms=1_800_000_000_000).alerts
    found = {alert["account_id"]: alert["detected_at"] for alert in alerts if alert["kind"] == "power_user_decline"}
    assert len(began) >= 4
    assert all(0 < found[account_id] - at <= 7 * DAY_MS for account_id, at in began.items())


def test_progress_is_told_in_lines_when_nobody_watches(demo: subprocess.CompletedProcess[str]) -> None:
    assert "\x1b" not in demo.stderr
    assert "replaying: " in demo.stderr
    assert re.search(r"waiting for the worker: ([0-9,]{6}) of \1 events", demo.stderr)


def test_an_account_can_be_explained_with_the_settings_that_it_left(result: dict[str, Any], folder: Path) -> None:
    account = result["incidents"]["findings"][0]["account_id"]
    ran = foreshock("explain", account, "--config", folder / "foreshock.toml")
    assert ran.returncode == 0, ran.stderr
    assert account in ran.stdout


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "foreshock.db").write_text("mine")
    ran = foreshock("demo", *SIZE, "--dir", tmp_path)
    assert ran.returncode == 2
    assert "choose another with --dir" in ran.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["foreshock.db"]


def test_the_sample_never_lies_in_the_future() -> None:
    long_after = sample_settings(7, 30, 100, now=datetime(2030, 1, 1, tzinfo=UTC))
    assert long_after == SimulationSettings(seed=7, accounts=30, days=100)
    before = sample_settings(7, 30, 100, now=datetime(2026, 2, 3, 12, tzinfo=UTC))
    assert before.start_date.weekday() == long_after.start_date.weekday()
    assert before.end_ms <= datetime(2026, 2, 3, tzinfo=UTC).timestamp() * 1000 < before.end_ms + 7 * 86_400_000


def test_a_worker_that_dies_ends_the_demo_with_a_message(tmp_path: Path) -> None:
    with running_demo(tmp_path / "demo") as demo:
        os.kill(_child(demo, "agents.demo.child worker"), signal.SIGKILL)
        _out, err = demo.communicate(timeout=patience(60))
    assert demo.returncode == 1
    assert "the worker ended with exit code -9" in err


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_running_however_the_demo_ends(tmp_path: Path, how: signal.Signals) -> None:
    with running_demo(tmp_path / "demo") as demo:
        children = _children(demo.pid)
        assert len(children) == 3
        demo.send_signal(how)
        ended(demo)
        wait_until(lambda: not any(_alive(pid) for pid in children), "its children to end")


@contextmanager
def running_demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo whose worker is at work; killed at the end of the block."""
    command = [*FORESHOCK, "demo", *SIZE, "--dir", str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        try:
            wait_until(lambda: _recovered(folder / "worker.log"), "the worker to recover")
            yield demo
        finally:
            demo.kill()


def _recovered(log: Path) -> bool:
    return log.is_file() and ": recovered " in log.read_text(errors="replace")


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(entry.parent.name))
    return found


def _child(demo: subprocess.Popen[str], words: str) -> int:
    of_role = [pid for pid in _children(demo.pid) if words in _command_line(pid)]
    assert len(of_role) == 1
    return of_role[0]


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
