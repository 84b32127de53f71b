"""`foreshock renewals`, and what `explain` says of what is to come."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.portfolio.renewals import Renewal, forecast, part_within
from sinks.database.migrate import upgrade
from sinks.database.sink import DatabaseSink
from tests.support.commands import Commands
from tests.unit.sinks.records import DAY_MS, batch, context, health, outlook

NOW = 101


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'foreshock.db'}"
    monkeypatch.setenv("FORESHOCK_DATABASE__URL", url)
    upgrade(url)
    sink = DatabaseSink(url)
    usd = context() | {"currency": "USD", "arr_minor": 10_000}
    sink.write(
        batch(
            health("soon", outlook=outlook(0.5, (NOW + 10) * DAY_MS, "learned")),
            health("later", outlook=outlook(0.1, (NOW + 80) * DAY_MS), context=usd),
            health("far", outlook=outlook(0.1, (NOW + 91) * DAY_MS)),
            health("past", outlook=outlook(0.1, (NOW - 1) * DAY_MS)),
            health("never", outlook=outlook(0.1)),
            health("ended", outlook=outlook(0.1, (NOW + 10) * DAY_MS), life="ended"),
            health("unknown"),
        )
    )
    sink.close()


@pytest.mark.usefixtures("filled")
def test_those_that_renew_soon_are_forecast(foreshock: Commands) -> None:
    found = json.loads(foreshock("renewals", "--json").out)
    assert [(row["account_id"], row["days_to_renewal"], row["churn"]) for row in found["renewals"]] == [
        ("soon", 10, 0.5),
        ("later", 80, 0.1),
    ]
    assert found["renewals"][0]["arr_at_risk_minor"] == 2_400_000
    assert found["totals"][""]["expected"] == pytest.approx(1.4)
    assert found["totals"]["EUR"]["expected"] == pytest.approx(2_400_000)
    shown = foreshock("renewals").out
    assert "50%" in shown
    assert "learned" in shown
    assert "of 2 accounts renew (" in shown
    assert "USD" in shown
    assert [
        row["account_id"] for row in json.loads(foreshock("renewals", "--days", "30", "--json").out)["renewals"]
    ] == ["soon"]


@pytest.mark.usefixtures("filled")
def test_explain_says_what_is_to_come_and_what_it_rests_on(foreshock: Commands) -> None:
    shown = " ".join(foreshock("explain", "soon").out.split())
    assert "Within 91 days, as billing tells; renews on 1970-04-22" in shown
    assert "churn 50.0% (25.0% to 100.0%), because silent +1.8; rests on 71 outcomes of the fleet itself" in shown
    assert "contraction 3.0% (1.5% to 6.0%), because silent +1.8; learned, in shadow: 6.0%; rests on" in shown
    assert "expansion 2.0% (1.0% to 4.0%); learned" in shown
    assert "Within 91 days" not in foreshock("explain", "unknown").out


def test_what_is_not_known_of_all_alike_widens_the_bounds_more_than_chance() -> None:
    surely, doubtfully = (forecast([Renewal(0.05, doubt)] * 400) for doubt in (0.0, 0.7))
    assert surely.expected == doubtfully.expected == pytest.approx(380)
    assert (surely.low, surely.high) == pytest.approx((380 - 1.6449 * 19**0.5, 380 + 1.6449 * 19**0.5), rel=1e-3)
    assert doubtfully.low == pytest.approx(380 - 1.6449 * (19 + (0.7 * 19) ** 2) ** 0.5)
    assert forecast([]).high == 0.0
    assert forecast([Renewal(0.9, 0.7, 100.0)]).low == 0.0


@pytest.mark.parametrize(("accounts", "churn", "doubt"), [(5, 0.04, 0.0), (40, 0.04, 0.3), (400, 0.05, 0.3)])
def test_nine_tenths_of_a_number_lie_within_its_bounds_however_small_it_is(
    accounts: int, churn: float, doubt: float
) -> None:
    rng = np.random.default_rng(7)
    renewals = [Renewal(churn, doubt)] * accounts
    odds = np.log(churn / (1 - churn)) + doubt * rng.standard_normal(2000)
    renewed = accounts - rng.binomial(accounts, 1 / (1 + np.exp(-odds)))
    assert np.mean([part_within(renewals, number) for number in renewed.tolist()]) == pytest.approx(0.9, abs=0.04)


def test_what_lies_beyond_the_bounds_lies_within_them_in_no_part() -> None:
    renewals = [Renewal(0.05, 0.0)] * 400
    assert (part_within(renewals, 380), part_within(renewals, 390), part_within(renewals, 300)) == (1.0, 0.0, 0.0)
    assert 0.0 < part_within(renewals, 387) < 1.0
    sure = [Renewal(0.0, 0.0)] * 3
    assert part_within(sure, 3) == pytest.approx(0.9)
    assert part_within(sure, 2) == 0.0
