"""Planned shutdowns in the settings."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from agents.settings import ConfigError, load
from agents.settings.shutdowns import planned_shutdown
from pipeline.terms.calendar import PlannedShutdown

FIRST, LAST = ((day - date(1970, 1, 1)).days for day in (date(2026, 12, 24), date(2027, 1, 1)))


@pytest.mark.parametrize(
    ("text", "planned"),
    [
        ("2026-12-24/2027-01-01", PlannedShutdown(FIRST, LAST)),
        ("2026-12-24", PlannedShutdown(FIRST, FIRST)),
        (" 2026-12-24 / 2027-01-01 ; country = de", PlannedShutdown(FIRST, LAST, country="DE")),
        (
            "2026-12-24/2027-01-01; segment=mid market; country=US",
            PlannedShutdown(FIRST, LAST, "mid market", "US"),
        ),
    ],
)
def test_a_text_names_days_and_whom_they_concern(text: str, planned: PlannedShutdown) -> None:
    assert planned_shutdown(text) == planned


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("christmas", "write FIRST/LAST"),
        ("2027-01-01/2026-12-24", "must not end before it starts"),
        ("2026-12-24; country=XX", "no ISO 3166 code"),
        ("2026-12-24; owner=ann", "once each"),
        ("2026-12-24; segment=a; segment=b", "once each"),
        ("2026-12-24; segment=", "once each"),
    ],
)
def test_what_cannot_be_meant_is_said(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        planned_shutdown(text)


def test_shutdowns_of_the_file_and_of_the_environment_reach_the_engine(tmp_path: Path) -> None:
    file = tmp_path / "foreshock.toml"
    file.write_text('[calendar]\nshutdowns = ["2026-12-24", "2026-12-25; segment=smb"]\n', encoding="utf-8")
    planned = load(file, {}).engine().shutdowns
    assert planned == (PlannedShutdown(FIRST, FIRST), PlannedShutdown(FIRST + 1, FIRST + 1, "smb"))
    variable = {"FORESHOCK_CALENDAR__SHUTDOWNS": "2026-12-24/2027-01-01"}
    assert load(file, variable).engine().shutdowns == (PlannedShutdown(FIRST, LAST),)


def test_a_shutdown_that_is_none_is_a_problem_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "foreshock.toml"
    file.write_text('[calendar]\nshutdowns = ["whenever"]\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="whenever") as raised:
        load(file, {})
    assert raised.value.problems[0].setting == "calendar.shutdowns"
