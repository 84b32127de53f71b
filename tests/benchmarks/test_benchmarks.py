"""What the benchmarks say must be what was measured."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import report
from tests.benchmarks.population import populated
from tests.benchmarks.process import MeasurementError, measure
from tests.benchmarks.progress import Progress
from tests.benchmarks.results import Results
from tests.benchmarks.workload import FIRST_DAY_MS, Workload

DAY_MS = 86_400_000


def test_a_workload_is_the_same_every_time_and_mostly_usage() -> None:
    workload = Workload(accounts=50, users=4, usage_events=4_900, days=2)
    files, again = workload.make(), workload.make()
    assert files.usage.equals(again.usage)
    assert files.rows == workload.events + workload.accounts
    assert files.usage.num_rows / workload.events == pytest.approx(0.98, abs=0.001)
    times = files.usage.column("occurred_at").to_numpy()
    assert FIRST_DAY_MS <= times.min() <= times.max() < FIRST_DAY_MS + 2 * DAY_MS
    assert (np.diff(times) < 0).sum() > 0, "arrival is not quite in order"
    assert len(set(files.usage.column("event_id").to_pylist())) < 4_900, "some come twice"


def test_on_the_first_day_every_user_is_seen_once() -> None:
    workload = Workload(accounts=30, users=5, usage_events=500, days=1, everyone_first=True)
    usage = workload.make().usage.slice(0, workload.first_events)
    assert len(set(usage.column("user_id").to_pylist())) == 150
    assert usage.column("occurred_at").to_numpy().max() < FIRST_DAY_MS + DAY_MS


def test_populated_feeds_hold_every_account_and_user_with_a_history_that_can_be_judged() -> None:
    feeds = populated(40, users=3, partitions=2)
    assert sum(len(feed.state.accounts) for feed in feeds) == 40
    assert sum(feed.state.users.size - 1 for feed in feeds) == 120
    for feed in feeds:
        accounts = feed.state.accounts
        assert not np.isnan(accounts.score[1 : accounts.size]).any()
        assert (accounts.panes["actions"][:, 1 : accounts.size] > 0).mean() > 0.8


def test_progress_leaves_out_what_came_with_the_first_look_and_the_warm_up() -> None:
    progress = Progress(total=100, skip=40)
    for count in (30, 20, 25):
        progress.saw(count)
    assert not progress.finished
    time.sleep(0.01)
    progress.saw(25)
    assert progress.finished
    found = progress.report()
    assert found["records"] == 50
    assert found["per_s"] == pytest.approx(50 / found["seconds"])
    assert found["seconds"] >= 0.01


def test_progress_waits_until_what_comes_once_is_over() -> None:
    progress = Progress(total=100, waits=True)
    progress.saw(30)
    progress.settled()
    progress.saw(30)
    progress.saw(40)
    assert progress.report()["records"] == 40


def test_a_bound_is_met_by_the_median() -> None:
    results = Results()
    assert results.add("a", "a", [1.0, 5.0, 9.0], "s", at_most=5.0).met is True
    assert results.add("b", "b", [1.0, 5.1, 9.0], "s", at_most=5.0).met is False
    assert results.add("c", "c", [19.0, 20.0], "times", at_least=20.0).met is False
    assert results.add("d", "d", 3.0, "s").met is None


def test_the_written_results_hold_every_figure_and_the_machine(tmp_path: Path) -> None:
    results = Results()
    results.add("drain.foreshock", "foreshock", [90_000.0, 100_000.0], "records/s", "all on", at_least=50_000.0)
    report.write(results, {"cores": "2"}, "2 cores", tmp_path)
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["machine"] == {"cores": "2"}
    assert written["figures"][0]["median"] == 95_000
    text = (tmp_path / "bench.md").read_text()
    assert "| foreshock | 95,000 records/s | 90,000 records/s – 100,000 records/s | ≥ 50,000 records/s | yes |" in text
    assert "- foreshock: all on" in text
    assert text.startswith("Measured by `make bench` on 2 cores.")


def test_a_measurement_that_fails_says_why() -> None:
    with pytest.raises(MeasurementError, match="unexpected keyword argument 'acounts'"):
        measure("core:resident", 60, acounts=1)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (123_456.7, "records/s", "123,457 records/s"),
        (0.0123, "s", "0.012 s"),
        (0.25, "share", "25 %"),
        (21.04, "times", "21.0 ×"),
        (512.3, "times", "512 ×"),
    ],
)
def test_numbers_are_written_with_the_digits_that_mean_something(value: float, unit: str, text: str) -> None:
    assert report.number(value, unit) == text
