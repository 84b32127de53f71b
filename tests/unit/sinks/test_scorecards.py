"""Several scorecards, families and lists of accounts in the database."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import insert

from agents.explain import explain, render
from sinks.database import tables
from sinks.database.engine import open_engine
from sinks.database.sink import DatabaseSink
from tests.support.databases import rows
from tests.unit.sinks.records import DAY_MS, alert, batch, context, health

HEALTH = "account.health"


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def write(url: str, *records: dict[str, Any]) -> None:
    sink = DatabaseSink(url)
    sink.write(batch(*records, topic=HEALTH))
    sink.close()


def card(name: str, **changes: Any) -> dict[str, Any]:
    plain = {"scorecard": name, "version": 2, "shadow": False, "score": 80.0, "band": "green", "previous_band": "grey"}
    return (
        plain | {"band_since": None, "coverage": 1.0, "groups": [], "dimensions": [], "config_change": None} | changes
    )


def worth(arr_minor: int | None, currency: str = "EUR") -> dict[str, Any]:
    return context() | {"arr_minor": arr_minor, "currency": currency}


def test_every_scorecard_has_its_own_row_and_history(url: str) -> None:
    change = {"from_version": 1, "to_version": 2, "score_before": 70.0, "score_after": 80.0}
    write(url, health("acme", other_scorecards=[card("trial", shadow=True, config_change=change)]))
    found = rows(url, "SELECT scorecard, version, score, is_primary, shadow FROM v_scorecards ORDER BY scorecard")
    assert [tuple(row.values()) for row in found] == [("default", "1", 38.5, 1, 0), ("trial", "2", 80.0, 0, 1)]
    assert rows(url, "SELECT scorecard, band FROM accounts") == [{"scorecard": "default", "band": "red"}]
    history = rows(url, "SELECT scorecard, from_version, score_before FROM v_health_history ORDER BY scorecard")
    assert [tuple(row.values()) for row in history] == [("default", None, None), ("trial", "1", 70.0)]


def test_a_scorecard_that_does_not_judge_an_account_any_more_is_not_current(url: str) -> None:
    write(url, health("acme", 100, other_scorecards=[card("trial")]), health("acme", 101))
    assert [row["scorecard"] for row in rows(url, "SELECT scorecard FROM v_scorecards")] == ["default"]
    assert [each["scorecard"] for each in explain(url, "acme")["health"]] == ["default"]
    assert len(rows(url, "SELECT * FROM health_history")) == 3


def test_the_accounts_below_another_are_rolled_up_through_all_levels(url: str) -> None:
    write(
        url,
        health("a", parent_account_id="holding", score=20.0, band="red", context=worth(3_000)),
        health("b", parent_account_id="a", score=80.0, band="green", context=worth(1_000)),
        health("c", parent_account_id="holding", score=None, band="grey", context=worth(500)),
        health("elsewhere", score=1.0, band="red"),
    )
    [family] = rows(url, "SELECT * FROM v_families WHERE parent_account_id = 'holding'")
    counts = {name: family[name] for name in ("accounts", "green", "yellow", "red", "grey", "poor_share")}
    assert counts == {"accounts": 3, "green": 1, "yellow": 0, "red": 1, "grey": 1, "poor_share": 0.5}
    assert (family["mean_score"], family["worst_score"]) == (50.0, 20.0)
    # (20 × 3000 + 80 × 1000) / 4000
    assert family["arr_weighted_score"] == 35.0
    assert (family["arr_minor"], family["red_arr_minor"], family["currency"]) == (4_500, 3_000, "EUR")


def test_money_of_several_currencies_is_not_added_up(url: str) -> None:
    write(
        url,
        health("a", parent_account_id="holding", context=worth(3_000)),
        health("b", parent_account_id="holding", context=worth(1_000, "USD")),
    )
    [family] = rows(url, "SELECT * FROM v_families")
    assert (family["arr_minor"], family["arr_weighted_score"], family["currency"]) == (None, None, None)
    assert family["mean_score"] == 38.5


def test_accounts_that_are_each_others_parents_end(url: str) -> None:
    write(url, health("a", parent_account_id="b"), health("b", parent_account_id="a"))
    assert {row["accounts"] for row in rows(url, "SELECT accounts FROM v_families")} == {1}


def test_new_reds_come_first_and_then_by_what_is_at_risk(url: str) -> None:
    long_since, lately = 50 * DAY_MS, 99 * DAY_MS
    write(
        url,
        health("old-big", band_since=long_since, context=worth(9_000)),
        health("new-small", band_since=lately, context=worth(10)),
        health("new-big", band_since=lately, context=worth(5_000)),
        health("fine", band="green", score=90.0),
    )
    found = rows(url, "SELECT account_id, place, is_new FROM v_red_accounts ORDER BY place")
    assert [tuple(row.values()) for row in found] == [("new-big", 1, 1), ("new-small", 2, 1), ("old-big", 3, 0)]
    worst = rows(url, "SELECT account_id FROM v_worst_accounts WHERE place <= 2 ORDER BY place")
    assert [row["account_id"] for row in worst] == ["old-big", "new-big"]


def test_value_and_band_make_nine_boxes(url: str) -> None:
    sizes = {"big": 900, "middle": 500, "small": 100}
    write(url, *(health(name, context=worth(size)) for name, size in sizes.items()), health("?", context=worth(None)))
    found = {row["account_id"]: row["nine_box"] for row in rows(url, "SELECT account_id, nine_box FROM v_scorecards")}
    assert found == {"big": "high/red", "middle": "middle/red", "small": "low/red", "?": None}


def test_owners_see_their_portfolio(url: str) -> None:
    write(url, health("a", owner="ann"), health("b", owner="ann", band="green", score=90.0), health("c", owner="bob"))
    found = rows(url, "SELECT owner, accounts, red FROM v_owners ORDER BY owner")
    assert [tuple(row.values()) for row in found] == [("ann", 2, 1), ("bob", 1, 1)]


def test_teams_and_the_company_see_theirs(url: str) -> None:
    write(url, health("a", owner="ann"), health("b", owner="bob", band="green", score=90.0), health("c", owner="cid"))
    sink = DatabaseSink(url)
    sink.write(batch(alert("a", owner="ann"), alert("c", owner="cid")))
    sink.close()
    engine = open_engine(url, writer=True)
    with engine.begin() as connection:
        connection.execute(insert(tables.teams), [{"owner": name, "team": "north"} for name in ("ann", "bob")])
    engine.dispose()
    found = rows(url, "SELECT team, accounts, red FROM v_teams ORDER BY accounts DESC")
    assert [tuple(row.values()) for row in found] == [("north", 2, 1), (None, 1, 1)]
    assert rows(url, "SELECT accounts, red FROM v_company") == [{"accounts": 3, "red": 2}]
    assert rows(url, "SELECT account_id FROM v_open_alerts WHERE team = 'north'") == [{"account_id": "a"}]


def test_a_renewal_is_followed_from_the_first_day_on(url: str) -> None:
    far, near, past = ((101 + left) * DAY_MS for left in (400, 30, -1))
    write(
        url,
        *(health(name, context=context() | {"renewal_at": at}) for name, at in (("far", far), ("past", past))),
        health("near", band="green", context=context() | {"renewal_at": near}),
        health("ended", life="ended", context=context() | {"renewal_at": near}),
    )
    sink = DatabaseSink(url)
    sink.write(batch(alert("near"), alert("near", kind="p1_open", status="resolved")))
    sink.close()
    found = rows(url, "SELECT account_id, days_to_renewal, band, open_alerts FROM v_renewals ORDER BY days_to_renewal")
    assert [tuple(row.values()) for row in found] == [("near", 30, "green", 1), ("far", 400, "red", 0)]


def test_each_dimension_of_each_account_is_a_row(url: str) -> None:
    write(url, health("acme"), health("gone", life="ended"))
    found = rows(url, "SELECT account_id, dimension, dimension_group, weight, value, observed FROM v_dimensions")
    assert sorted(tuple(row.values()) for row in found) == [
        ("acme", "sentiment", "relationship", 3, None, None),
        ("acme", "usage_trend", "product", 5, 0.2, 31.0),
    ]


def test_an_alert_in_shadow_is_kept_and_shown_to_nobody(url: str) -> None:
    sink = DatabaseSink(url)
    sink.write(batch(alert("a", shadow=True), alert("b")))
    sink.close()
    assert rows(url, "SELECT account_id FROM v_open_alerts") == [{"account_id": "b"}]
    assert rows(url, "SELECT account_id FROM alerts WHERE shadow") == [{"account_id": "a"}]
    assert explain(url, "a")["open_alerts"] == []


def test_a_holding_is_explained_by_the_accounts_below_it(url: str) -> None:
    write(
        url,
        health("a", parent_account_id="holding", score=20.0, context=worth(300_000)),
        health("b", parent_account_id="holding", score=80.0, band="green", context=worth(100_000)),
    )
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(render(explain(url, "holding")))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "2 accounts below by default: 1 red, 1 green; mean score 50, worst 20, by ARR 35; 3,000 EUR in red" in shown
    assert "worst: a 20, b 80" in shown
