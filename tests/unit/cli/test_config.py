from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer.main

from agents.cli import app
from agents.settings import sample
from tests.support.commands import Commands

SECRET = "hunter2-and-more"


def command_lines() -> list[list[str]]:
    """Every command and group."""
    lines = []
    for name, command in typer.main.get_group(app).commands.items():
        lines.append([name])
        lines += [[name, inner] for inner in getattr(command, "commands", {})]
    return lines


@pytest.mark.parametrize("line", command_lines(), ids=" ".join)
def test_every_command_explains_itself(foreshock: Commands, line: list[str]) -> None:
    ran = foreshock(*line, "--help")
    assert ran.exit_code == 0
    assert "Usage: foreshock " + " ".join(line) in ran.out


def test_an_unknown_command_is_a_usage_error(foreshock: Commands) -> None:
    assert foreshock("forshock").exit_code == 2


def test_valid_settings_pass_the_check(foreshock: Commands) -> None:
    ran = foreshock("config", "check")
    assert (ran.exit_code, ran.out) == (0, "the settings are valid\n")


def test_the_check_lists_every_problem_and_exits_with_2(foreshock: Commands, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('[time]\nallowed_lateness_d = 9\nclok = "wall"\n[log]\nlevel = "loud"\n')
    ran = foreshock("config", "check", "--config", file)
    assert ran.exit_code == 2
    assert ran.err.splitlines() == [
        "3 problems with the settings:",
        f"{file}: time.clok: unknown setting; did you mean clock?",
        f"{file}: time.allowed_lateness_d: must be a whole number between 1 and 7 (it is 9)",
        f"{file}: log.level: must be one of debug, info, warning, error (it is 'loud')",
    ]


@pytest.mark.parametrize(
    "line",
    [["db", "check"], ["topics", "check"], ["worker"], ["deliver"], ["explain", "x"], ["schemas", "check"]],
)
def test_no_command_starts_with_bad_settings(
    foreshock: Commands, monkeypatch: pytest.MonkeyPatch, line: list[str]
) -> None:
    monkeypatch.setenv("FORESHOCK_LOG__LEVEL", "loud")
    ran = foreshock(*line)
    assert ran.exit_code == 2
    assert "FORESHOCK_LOG__LEVEL: log.level" in ran.err


def test_settings_are_shown_with_their_origin_and_without_secrets(
    foreshock: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORESHOCK_DATABASE__PASSWORD", SECRET)
    shown = foreshock("config", "show").out
    assert "FORESHOCK_DATABASE__PASSWORD" in shown
    assert SECRET not in shown
    as_json = json.loads(foreshock("config", "show", "--json").out)
    assert as_json["database"]["password"] == "***"
    assert as_json["time"]["out_of_orderness_s"] == 3600


def test_the_sample_is_written_once_and_never_over_a_file(foreshock: Commands, tmp_path: Path) -> None:
    file = tmp_path / "foreshock.toml"
    assert foreshock("config", "sample", "--out", file).exit_code == 0
    assert file.read_text() == sample()
    again = foreshock("config", "sample", "--out", file)
    assert again.exit_code == 2
    assert "cannot be written: File exists" in again.err


def test_versions_are_printed(foreshock: Commands) -> None:
    assert foreshock("version").out.startswith("foreshock 0.")
    assert "faust-streaming" in json.loads(foreshock("version", "--json").out)


def test_the_database_is_checked_upgraded_and_checked_again(
    foreshock: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FORESHOCK_DATABASE__URL", f"sqlite:///{tmp_path}/x.db")
    before = foreshock("db", "check")
    assert before.exit_code == 1
    assert "foreshock db upgrade" in before.out + before.err
    assert foreshock("db", "upgrade").exit_code == 0
    after = foreshock("db", "check", "--json")
    assert after.exit_code == 0
    assert json.loads(after.out)["ok"] is True


def test_explaining_from_a_database_that_is_not_there_says_what_to_do(
    foreshock: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FORESHOCK_DATABASE__URL", f"sqlite:///{tmp_path}/x.db")
    ran = foreshock("explain", "acc-1")
    assert ran.exit_code == 1
    assert "run `foreshock db upgrade`" in ran.err


def test_the_schemas_of_this_release_read_all_released_ones(foreshock: Commands) -> None:
    ran = foreshock("schemas", "check")
    assert ran.exit_code == 0
    assert "read everything that was ever released" in ran.out
