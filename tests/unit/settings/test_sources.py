from __future__ import annotations

from pathlib import Path

import pytest

from agents.settings import ConfigError, Settings, load
from agents.settings.load import read


def written(folder: Path, text: str) -> Path:
    file = folder / "foreshock.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(path: Path | None, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    return str(caught.value).splitlines()


def test_without_a_file_and_variables_the_defaults_hold() -> None:
    assert load(None, {}) == Settings()


def test_the_file_wins_over_defaults_and_the_environment_over_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "[time]\nmax_skew_s = 7\nallowed_lateness_d = 2\n")
    settings = load(file, {"FORESHOCK_TIME__MAX_SKEW_S": "9"})
    assert settings.time.max_skew_s == 9
    assert settings.time.allowed_lateness_d == 2
    assert settings.time.out_of_orderness_s == 3600


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    file = written(tmp_path, "[metrics]\nport = 0\n")
    assert load(None, {"FORESHOCK_CONFIG": str(file)}).metrics.port == 0


def test_the_origin_of_each_setting_is_known(tmp_path: Path) -> None:
    file = written(tmp_path, "[metrics]\nport = 0\n")
    origins = read(file, {"FORESHOCK_LOG__LEVEL": "debug"}).origins
    assert origins["metrics.port"] == str(file)
    assert origins["log.level"] == "FORESHOCK_LOG__LEVEL"
    assert origins["metrics.host"] == "default"


def test_every_problem_is_listed_with_its_place(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        nonsense = 3
        [time]
        allowed_lateness_d = 9
        clok = "wall"
        [app]
        timezone = "Mars/Olympus"
        """,
    )
    found = problems(file, {"FORESHOCK_METRICS__PORT": "99999", "FORESHOCK_LOG__LEVEL": "loud"})
    assert len(found) == 6
    listed = "\n".join(found)
    assert f"{file}: nonsense: unknown section" in listed
    assert f"{file}: time.clok: unknown setting; did you mean clock?" in listed
    assert f"{file}: time.allowed_lateness_d: must be a whole number between 1 and 7 (it is 9)" in listed
    assert "app.timezone: is not a time zone" in listed
    assert "FORESHOCK_METRICS__PORT: metrics.port: must be a whole number between 0 and 65535" in listed
    assert "FORESHOCK_LOG__LEVEL: log.level: must be one of debug, info, warning, error" in listed


def test_an_unknown_variable_is_a_problem_and_names_the_nearest() -> None:
    (found,) = problems(None, {"FORESHOCK_METRIC__PORT": "1"})
    assert found == "FORESHOCK_METRIC__PORT: unknown variable; did you mean FORESHOCK_METRICS__PORT?"


def test_variables_of_the_tests_and_of_other_programs_are_left_alone() -> None:
    load(None, {"FORESHOCK_TEST_SERVERS": "none", "FORESHOCK_FAILPOINT": "x:1", "HOME": "/"})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[time", "is not valid TOML"),
        (b"\xff", "is not valid TOML"),
        (b"time = 3", "is a section; write [time]"),
    ],
)
def test_a_file_that_is_no_settings_file_is_a_problem(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    (found,) = problems(file, {})
    assert found.startswith(f"{file}: ")
    assert expected in found


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    (found,) = problems(tmp_path / "nowhere.toml", {})
    assert "cannot be read: No such file or directory" in found


def test_a_broken_file_does_not_hide_problems_of_the_environment(tmp_path: Path) -> None:
    assert len(problems(tmp_path / "nowhere.toml", {"FORESHOCK_LOG__LEVEL": "loud"})) == 2
