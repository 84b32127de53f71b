from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import select

from agents.explain import explain, render
from sinks.database import tables
from sinks.database.engine import open_engine
from sinks.database.migrate import upgrade
from sinks.database.sink import DatabaseSink
from sinks.errors import SinkUnavailableError, UnknownAccountError
from tests.unit.sinks.records import DAY_MS, HEALTH, alert, batch, context, health


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'foreshock.db'}"
    upgrade(url)
    sink = DatabaseSink(url)
    days = [health("acme", day, band="yellow" if day < 98 else "red", score=110.0 - day) for day in range(60, 101)]
    sink.write(
        batch(
            *days,
            alert("acme"),
            alert("acme", 2, status="acknowledged"),
            alert(
                "acme",
                kind="ticket_surge",
                status="resolved",
                starts_at=90 * DAY_MS,
                ends_at=99 * DAY_MS,
                transition_reason="recovered",
            ),
            alert("acme", kind="silence", status="resolved", ends_at=9 * DAY_MS, transition_reason="recovered"),
            alert("acme", kind="dormant", status="retracted"),
            alert("acme", kind="p1_open", score=20.0),
            health("acme-west"),
            health(
                "zenith",
                band_since=None,
                previous_band="grey",
                band="grey",
                score=None,
                life="ended",
                monitorability=None,
                provisional=True,
            ),
            alert("fresh", owner=None),
            health("yen", context=context() | {"currency": "JPY", "arr_minor": 500_000}),
        )
    )
    sink.close()
    return url


def shown(explanation: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(render(explanation))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_an_explanation_holds_what_was_delivered(url: str) -> None:
    found = explain(url, "acme")
    assert found["account"]["band"] == "red"
    assert [each["day"] for each in found["health"]] == [100]
    assert found["health"][0]["dimensions"] == health("acme", 100)["dimensions"]
    assert [(each["kind"], each["revision"]) for each in found["open_alerts"]] == [
        ("p1_open", 1),
        ("usage_drop", 2),
    ]
    assert [row["day"] for row in found["history"]] == list(range(100, 72, -1))
    assert found["history"][0]["dimension_values"] == {"sentiment": None, "usage_trend": 0.2}


def test_a_business_review_finds_health_trend_and_what_was_open_and_closed_in_the_quarter(url: str) -> None:
    found = explain(url, "acme")
    assert [(each["kind"], each["ends_at_ms"]) for each in found["closed_alerts"]] == [("ticket_surge", 99 * DAY_MS)]
    text = shown(found)
    assert "1 closed in the last 91 days" in text
    assert "1970-04-01 to 1970-04-10, error, recovered: acme: usage fell by 69 %" in text
    assert "Scores of the last 28 days" in text


def test_a_person_sees_score_dimensions_evidence_owner_and_next_step(url: str) -> None:
    text = "\n".join(line.strip(" │") for line in shown(explain(url, "acme")).splitlines())
    for part in (
        "Score 10  red since",
        "usage_trend",
        "missing",
        "50% in 7 days",
        "yellow → red",
        "2 open alerts",
        "31 actions, 100 expected",
        "threshold 7.94",
        "one false alarm in 2,800 days",
        "the median of segment mid-market was at -2 %, 3.5 % of them were below this one",
        "baseline of 56 days",
        "tickets flat",
        "Call the champion (usage-review)",
        "owner csm-17",
        "life active",
        "stage adoption since 1970-02-10",
        "ARR 48,000 EUR",
        "contact ida\n",
        "feature export, -4 active days a week, last on 1970-04-04",
    ):
        assert part in text
    assert "ticket_surge" not in text


def test_a_day_without_a_record_has_the_figures_of_the_one_before(url: str) -> None:
    sink = DatabaseSink(url)
    sink.write(batch(health("acme-east", 103), health("acme-west", 95, score=44.0), topic=HEALTH))
    sink.close()
    found = explain(url, "acme-west")
    assert [(row["day"], row["score"]) for row in found["history"]] == [
        *[(day, 38.5) for day in (103, 102, 101, 100)],
        *[(day, 44.0) for day in (99, 98, 97, 96, 95)],
    ]
    assert (found["last_closed_day"], found["health"][0]["day"]) == (103, 100)
    text = shown(found)
    assert "as of the close of 1970-04-11 (until 1970-04-14 in this band, and moved less than 3 points)" in text
    assert "as of the close of 1970-04-14," in shown(explain(url, "acme-east"))


def test_a_capped_band_names_its_alert(url: str) -> None:
    reason = {"kind": "p1_open", "dimension": "tickets", "severity": "error", "alert_id": "x", "band_by_score": "green"}
    sink = DatabaseSink(url)
    sink.write(batch(health("acme", 101, band="yellow", band_reason=reason), topic=HEALTH))
    sink.close()
    text = shown(explain(url, "acme"))
    assert "because the error alert p1_open of tickets is open (by its score it is green)," in text


def test_grey_is_said_to_be_no_judgement(url: str) -> None:
    text = shown(explain(url, "zenith"))
    assert "cannot be judged" in text
    assert "life ended" in text
    assert "grey since the beginning" in text
    assert "provisional" in text
    assert "0 open alerts" in text


def test_an_account_known_by_an_alert_only_is_not_judged_yet(url: str) -> None:
    text = shown(explain(url, "fresh"))
    assert "Not judged yet" in text
    assert "1 open alert\n" in text.replace(" \n", "\n")
    assert "owner nobody" in text


def test_an_alerts_money_is_in_units_of_its_currency_and_silence_no_percentage(url: str) -> None:
    found = explain(url, "acme")
    alert = found["open_alerts"][0]
    alert["signal"] |= {"unit": "minor units", "observed": 600_000.0, "expected": 1_000_000.0, "currency": "JPY"}
    alert["dimensions"] = [
        alert["dimensions"][0] | {"name": "activity", "observed": 12.0, "expected": 1.4, "change_pct": None}
    ]
    text = shown(found)
    assert "600,000 JPY, 1,000,000 JPY expected" in text
    assert "activity down: none for 12 days, usually every 1.4, weight 5" in text


def test_money_without_minor_units_is_not_divided(url: str) -> None:
    assert "500,000 JPY" in shown(explain(url, "yen"))


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("acmee", ("acme",)),
        ("ACME", ("acme", "acme-west")),
        ("west", ("acme-west",)),
        ("%", ()),
        ("q" * 50, ()),
    ],
)
def test_an_unknown_account_is_an_error_that_names_similar_ones(url: str, asked: str, near: tuple[str, ...]) -> None:
    with pytest.raises(UnknownAccountError) as caught:
        explain(url, asked)
    assert caught.value.near[: len(near)] == near
    assert bool(near) == ("did you mean" in str(caught.value))


def test_text_from_outside_cannot_steer_the_terminal(url: str) -> None:
    found = explain(url, "acme")
    found["open_alerts"][0]["summary"] = "\x1b[2J\x1b]0;title\x07[bold]not markup[/bold] \u202edesrever"
    text = shown(found)
    assert "[bold]not markup[/bold]" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_a_database_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SinkUnavailableError, match="foreshock db upgrade"):
        explain(f"sqlite:///{tmp_path / 'none.db'}", "acme")


def test_alerts_of_the_fleet_are_explained_although_it_is_no_account(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fleet.db'}"
    upgrade(url)
    sink = DatabaseSink(url)
    sink.write(batch(alert("fleet", kind="fleet_dip", family="system"), alert("fleet:smb", kind="fleet_dip")))
    sink.close()
    found = explain(url, "fleet")
    assert [each["kind"] for each in found["open_alerts"]] == ["fleet_dip"]
    assert "1 open alert" in shown(found)
    assert len(explain(url, "fleet:smb")["open_alerts"]) == 1
    with pytest.raises(UnknownAccountError):
        explain(url, "fleets")
    engine = open_engine(url)
    with engine.connect() as connection:
        ids = connection.scalars(select(tables.accounts.c.account_id)).all()
    engine.dispose()
    assert not [each for each in ids if each.startswith("fleet")]
