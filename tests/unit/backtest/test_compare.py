"""`foreshock backtest --compare`: what a change of settings would change, and what stops a build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.backtest.compare import MOVED_DAYS, Opening, changes_of, gates_of, held_against
from agents.eventfiles.files import write_events
from schemas.errors import UsageError
from schemas.topics import DAY_MS
from tests.support.commands import Commands
from tests.unit.backtest.streams import stream


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    write_events(stream(), folder)
    (folder / "a.toml").write_text("")
    (folder / "b.toml").write_text('[kinds]\ndisabled = ["ticket_surge"]\n')
    return folder


@pytest.fixture
def foreshock(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(monkeypatch, capsys)


def opening(key: str, day: float) -> Opening:
    return Opening((key, "kind", ""), int(day * DAY_MS), {})


def days(openings: list[Opening]) -> list[tuple[str, float]]:
    return [(each.key[0], each.at_ms / DAY_MS) for each in openings]


def test_openings_about_the_same_belong_together_the_nearest_first() -> None:
    before = [opening("a", 10), opening("a", 20.2), opening("b", 10), opening("c", 10), opening("e", 3)]
    after = [opening("a", 20.9), opening("a", 12), opening("b", 10 + MOVED_DAYS), opening("d", 5)]
    after += [opening("e", 4 + MOVED_DAYS)]
    found = changes_of(before, after)
    assert found.same == 1
    assert [(old.at_ms // DAY_MS, new.at_ms // DAY_MS) for old, new in found.moved] == [(10, 12), (10, 38)]
    assert days(found.lost) == [("e", 3), ("c", 10)]
    assert days(found.gained) == [("d", 5), ("e", 32)]


def test_no_opening_is_lost_on_the_way() -> None:
    before, after = [opening("a", day) for day in (1, 2, 3, 50)], [opening("a", day) for day in (2, 30, 31, 99, 100)]
    found = changes_of(before, after)
    assert found.same + len(found.moved) + len(found.lost) == len(before)
    assert found.same + len(found.moved) + len(found.gained) == len(after)


def compared(foreshock: Commands, events: Path, out: Path, *more: object) -> tuple[int, dict[str, Any]]:
    given = ("--events", events, "--out", out, "--compare", events / "a.toml", events / "b.toml")
    ran = foreshock("backtest", *given, "--json", *more)
    document: dict[str, Any] = json.loads((out / "compare.json").read_bytes())
    assert json.loads(ran.out) == document
    return ran.exit_code, document


@pytest.mark.slow
def test_a_kind_that_is_switched_off_is_lost_and_what_that_costs_is_said(
    foreshock: Commands, events: Path, tmp_path: Path
) -> None:
    more = ("--labels", events / "labels.csv", "--gate", "lost=0", "--gate", "gained=1000")
    code, found = compared(foreshock, events, tmp_path, *more)
    lost = found["alerts"]["lost"]
    assert {each["kind"] for each in lost} >= {"ticket_surge"}
    [row] = [row for row in found["alerts"]["by_kind"] if row["kind"] == "ticket_surge"]
    assert (row["after"], row["lost"]) == (0, row["before"])
    assert {each["kind"] for each in found["labels"]["missed_now"]} == {"ticket_surge"}
    assert found["labels"]["recall"][1] < found["labels"]["recall"][0]
    assert [(each["gate"], each["ok"]) for each in found["gates"]] == [("lost", False), ("gained", True)]
    assert code == 1
    page = (tmp_path / "compare.html").read_text()
    assert lost[0]["account_id"] in page
    assert "broken" in page


@pytest.mark.slow
def test_the_same_settings_change_nothing_and_keep_every_gate(
    foreshock: Commands, events: Path, tmp_path: Path
) -> None:
    (events / "b.toml").write_text("")
    gates = [
        word for name in ("gained", "lost", "moved", "cases_gained", "cases_lost") for word in ("--gate", f"{name}=0")
    ]
    code, found = compared(foreshock, events, tmp_path, *gates)
    (events / "b.toml").write_text('[kinds]\ndisabled = ["ticket_surge"]\n')
    assert code == 0
    for what in ("alerts", "cases"):
        assert found[what]["same"] == found[what]["before"] == found[what]["after"] > 0


@pytest.mark.parametrize("text", ["lost", "lost=x", "other=1", "=1"])
def test_a_limit_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=LIMIT"):
        gates_of([text])


def test_a_limit_about_labels_needs_labels() -> None:
    found = {"labels": None, "outcomes": None}
    for name in ("recall_lost", "labels_missed", "unexplained", "false_alarms"):
        with pytest.raises(UsageError, match="needs --labels"):
            held_against(found, {name: 0})


def test_a_limit_is_the_most_that_may_be() -> None:
    labels = {"recall": [0.5, 0.4], "unexplained": [3, 5], "missed_now": [1]}
    found = {"labels": labels, "outcomes": {"false_alarms": [7, 6]}}
    limits = {"recall_lost": 0.1, "unexplained": 1, "labels_missed": 1, "false_alarms": 0}
    assert [(each["value"], each["ok"]) for each in held_against(found, limits)] == [
        (0.1, True), (2, False), (1, True), (-1, True),
    ]  # fmt: skip
