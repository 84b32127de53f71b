"""`foreshock scorecards`: what is judged by what, and how much of it is known."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from sinks.database.migrate import upgrade
from sinks.database.sink import DatabaseSink
from tests.support.commands import Commands
from tests.unit.sinks.records import batch, health


def dimension(name: str, value: float) -> dict[str, Any]:
    figures = dict.fromkeys(("value", "observed", "expected", "contribution"), value)
    return {"name": name, "group": "product", "weight": 3, **figures}


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database with four accounts, of one of which nobody knows how it feels, and of another no tickets."""
    url = f"sqlite:///{tmp_path / 'foreshock.db'}"
    monkeypatch.setenv("FORESHOCK_DATABASE__URL", url)
    (tmp_path / "foreshock.toml").write_text(
        'health.scorecards = ["adopted"]\n[[scorecards]]\nid = "adopted"\nversion = 1\n'
        'criteria = [{dimension = "feature:export", weight = 3}, {dimension = "sentiment", weight = 3}, '
        '{dimension = "support", weight = 1}]\n'
    )
    monkeypatch.setenv("FORESHOCK_CONFIG", str(tmp_path / "foreshock.toml"))
    upgrade(url)
    sink = DatabaseSink(url)
    known = {"a": ("feature:export", "sentiment", "support"), "b": ("feature:export", "sentiment"), "c": ("support",)}
    values = {"a": 1.0, "b": 0.5, "c": 0.25}
    sink.write(
        batch(
            *(
                health(name, scorecard="adopted", dimensions=[dimension(each, values[name]) for each in found])
                for name, found in known.items()
            ),
            health("d", scorecard="adopted", dimensions=[]),
        )
    )
    sink.close()


def test_each_dimension_is_tagged(foreshock: Commands) -> None:
    listed = json.loads(foreshock("scorecards", "list", "--json").out)
    rows = {(row["scorecard"], row["dimension"]): row for row in listed}
    usage, billing, pulse = (rows["default", name] for name in ("usage_trend", "billing", "sentiment"))
    assert (usage["timing"], billing["timing"]) == ("leading", "lagging")
    assert (usage["basis"], usage["origin"]) == ("objective", "automated")
    assert (pulse["basis"], pulse["origin"]) == ("subjective", "manual")
    assert billing["perspective"] == "financial"
    assert {row["in_force"] for (card, _), row in rows.items() if card == "default"} == {True}
    assert not rows["referenceability", "survey"]["in_force"]
    assert "lagging" in foreshock("scorecards", "list").out


@pytest.mark.usefixtures("filled")
def test_coverage_is_told_by_dimension_and_by_source(foreshock: Commands) -> None:
    found = json.loads(foreshock("scorecards", "coverage", "--json").out)
    rows = {row["dimension"]: (row["known"], row["accounts"], row["mean"]) for row in found["dimensions"]}
    assert rows == {"feature:export": (2, 4, 0.75), "sentiment": (2, 4, 0.75), "support": (2, 4, 0.625)}
    groups = {(each["tag"], each["value"]): each["share"] for each in found["groups"]}
    assert groups["source", "usage.events"] == 0.5
    assert groups["source", "billing.events"] == 0.0
    assert (groups["basis", "objective"], groups["basis", "subjective"]) == (0.75, 0.5)
    assert (groups["origin", "automated"], groups["origin", "manual"]) == (0.75, 0.5)


@pytest.mark.usefixtures("filled")
def test_adoption_is_told_for_all_together_and_written_for_each_account(foreshock: Commands, tmp_path: Path) -> None:
    shown = foreshock("scorecards", "coverage", "--out", tmp_path / "values.csv").out
    assert "feature:export  50%    0.75" in shown
    with (tmp_path / "values.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["dimension"] == "feature:export"]
    assert [(row["account_id"], float(row["value"])) for row in rows] == [("a", 1.0), ("b", 0.5)]
