"""Tests wait longer on a busy machine, and not for ever."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import patience
from tests.support.patience import MOST, Patience, ended, finished, python, stretch, wait_until

HANG = "import time; time.sleep(600)"


@pytest.mark.parametrize(
    ("minute", "now", "expected"), [(0.0, 1, 1.0), (9.0, 1, 4.5), (0.5, 6, 3.0), (200.0, 1, MOST), (0.0, 99, MOST)]
)
def test_a_limit_is_stretched_by_those_who_want_a_processor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, minute: float, now: int, expected: float
) -> None:
    (tmp_path / "loadavg").write_text(f"{minute} 0.0 0.0 {now}/300 4711\n")
    monkeypatch.setattr(patience, "_LOAD", tmp_path / "loadavg")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (minute, 0.0, 0.0))
    assert stretch() == expected
    assert patience.patience(10.0) == 10 * expected


def test_a_limit_goes_on_stretching_while_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, loads = iter([0.0, 8.0, 16.0, 19.0]), iter([1.0, 8.0, 1.0])
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(patience, "stretch", lambda: next(loads))
    limit = Patience(10.0)
    assert [limit.lost() for _ in range(3)] == [False, False, True]


def test_what_does_not_come_is_named_at_the_limit_or_when_it_cannot_come_any_more() -> None:
    with pytest.raises(AssertionError, match="waited in vain for Godot"):
        wait_until(lambda: False, "Godot", 0.0)
    with pytest.raises(AssertionError, match="waited in vain for the dead"):
        wait_until(lambda: False, lambda: "the dead", meanwhile=lambda: False)
    assert wait_until(lambda: "found") == "found"


def test_a_process_that_takes_too_long_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        python(HANG, seconds=0.0)
    assert ended(subprocess.Popen(["false"])) == 1
    with pytest.raises(AssertionError, match="false"):
        finished(["false"], check=True)
