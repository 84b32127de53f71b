from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import insert

from pipeline.kinds import KINDS
from sinks.database import tables
from tests.support.commands import Commands
from tests.unit.web.shell import Shell


def test_every_kind_is_listed_with_what_raises_and_what_ends_it(foreshock: Commands) -> None:
    result = foreshock("rules", "list", "--json")
    listed = json.loads(result.out)
    assert [row["kind"] for row in listed["kinds"]] == list(KINDS)
    off = {row["kind"] for row in listed["kinds"] if not row["enabled"]}
    assert off == {"advocacy_moment", "weekly_drop", "stage_stalled"}
    assert sum(listed["enabled"].values()) == len(KINDS) - len(off)
    (failed,) = [row for row in listed["kinds"] if row["kind"] == "payment_failed"]
    assert failed["resolution"] == "the invoice is paid"
    assert failed["play"]["id"] == "payment-contact"


def test_a_kind_that_is_switched_off_is_marked(foreshock: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESHOCK_KINDS__DISABLED", "silence, csat_low")
    monkeypatch.setenv("FORESHOCK_KINDS__ENABLED", "advocacy_moment")
    monkeypatch.setenv("FORESHOCK_DETECTION__BASIC_DROP_PCT", "40")
    listed = json.loads(foreshock("rules", "list", "--json").out)
    assert {row["kind"] for row in listed["kinds"] if not row["enabled"]} == {"silence", "csat_low", "stage_stalled"}
    assert sum(listed["enabled"].values()) == len(KINDS) - 3


def test_profiles_in_which_a_kind_is_off_are_named(
    foreshock: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = '[[profiles]]\nname = "small"\nscorecards = ["default"]\ndisabled_kinds = ["silence"]\n'
    (tmp_path / "foreshock.toml").write_text(settings)
    monkeypatch.setenv("FORESHOCK_CONFIG", str(tmp_path / "foreshock.toml"))
    listed = json.loads(foreshock("rules", "list", "--json").out)
    assert {row["kind"]: row["off_in"] for row in listed["kinds"] if row["off_in"]} == {"silence": ["small"]}


def test_a_page_has_a_line_for_each_kind(foreshock: Commands) -> None:
    lines = foreshock("rules", "list", "--markdown").out.splitlines()
    assert len(lines) == len(KINDS) + 2
    assert {line.count("|") for line in lines} == {11}
    [weekly] = [line for line in lines if line.startswith("| `weekly_drop` |")]
    assert "with `detection.basic_drop_pct`" in weekly


def test_people_read_a_table(foreshock: Commands) -> None:
    text = foreshock("rules", "list").out
    assert "subscription_cancelled" in text
    assert "raised when" in text


def test_an_unknown_kind_is_a_problem_of_the_settings(foreshock: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESHOCK_KINDS__DISABLED", "nonsense")
    result = foreshock("config", "check")
    assert result.exit_code == 2
    assert "nonsense" in result.err


def test_what_people_said_of_a_kind_is_shown(
    foreshock: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shell = Shell(tmp_path)
    monkeypatch.setenv("FORESHOCK_DATABASE__URL", shell.url)
    verdicts = ["useful", "useful", "false_alarm", "useful", "late"]
    values = {"account_id": "acme", "author": "ann", "issued_at_ms": 1, "kind": "silence", "action": "feedback"}
    for number, verdict in enumerate(verdicts):
        result = "refused" if verdict == "late" else "applied"
        row = values | {"command_id": str(number), "verdict": verdict, "result": result}
        shell.run(insert(tables.alert_commands).values(row))
    listed = {row["kind"]: row for row in json.loads(foreshock("rules", "list", "--feedback", "--json").out)["kinds"]}
    assert listed["silence"]["feedback"] == {"useful": 3, "false_alarm": 1, "known": 0, "late": 0}
    assert listed["usage_drop"]["feedback"] is None
    assert "3 (75%)" in foreshock("rules", "list", "--feedback").out
