"""Holidays, outages, late records and duplicates, each in a stream that has no other incident."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.simulate import SimulatedStream, SimulationSettings, simulate
from pipeline.terms.calendar import public_holidays
from schemas.topics import DAY_MS

ACCOUNTS = 60


def with_one(kind: str) -> tuple[SimulatedStream, dict[str, Any]]:
    stream = simulate(SimulationSettings(seed=23, accounts=ACCOUNTS, kinds=(kind,)))
    (label,) = stream.labels.to_pylist()
    assert (label["account_id"], label["kind"]) == ("*", kind)
    return stream, label


def without_any() -> SimulatedStream:
    return simulate(SimulationSettings(seed=23, accounts=ACCOUNTS, kinds=()))


def times(stream: SimulatedStream) -> Any:
    return stream.usage["occurred_at"].to_numpy()


def late_by(stream: SimulatedStream) -> Any:
    """How far each record lies behind the newest before it."""
    return np.maximum.accumulate(times(stream)) - times(stream)


def test_a_public_holiday_empties_its_country_for_one_day_and_no_other() -> None:
    stream, label = with_one("holiday")
    country = label["detail"].removeprefix("country ")
    assert public_holidays(country, [label["at"] // DAY_MS])[0]
    country_of = {row["account_id"]: row["country"] for row in stream.profiles.to_pylist()}
    countries = np.array([country_of[account] for account in stream.usage["account_id"].to_pylist()])
    at_home, away = countries == country, countries == "US"
    day = (times(stream) - label["at"]) // DAY_MS
    for chosen, low, high in ((at_home, 0.0, 0.25), (away, 0.7, 1.4)):
        usual = np.mean([(chosen & (day == other)).sum() for other in (-14, -7, 7)])
        assert low <= (chosen & (day == 0)).sum() / usual <= high


def test_a_release_takes_almost_half_of_everything_for_four_days_and_changes_nothing_else() -> None:
    stream, label = with_one("release_dip")
    days, calm = ((times(one) - label["at"]) // DAY_MS for one in (stream, without_any()))
    for day in range(-7, 12):
        left = (days == day).sum() / (calm == day).sum()
        assert left == (pytest.approx(0.55, abs=0.06) if 0 <= day < 4 else 1.0)
    assert label["ends_at"] - label["at"] == 4 * DAY_MS


def test_an_outage_leaves_no_usage_of_anybody_for_its_hours() -> None:
    stream, label = with_one("feed_outage")
    inside = (times(stream) >= label["at"]) & (times(stream) < label["ends_at"])
    assert inside.sum() == 0
    assert DAY_MS <= label["ends_at"] - label["at"] < 1.5 * DAY_MS
    calm = times(without_any())
    assert ((calm >= label["at"]) & (calm < label["ends_at"])).sum() > 100


def test_late_records_stand_up_to_two_days_behind_newer_ones() -> None:
    stream, label = with_one("late_data")
    late = late_by(stream)
    assert (late > 2 * 3_600_000 - 60_000).sum() > 50
    assert late.max() <= 2 * DAY_MS
    chosen = times(stream)[late > 0]
    assert label["at"] <= chosen.min()
    assert chosen.max() <= label["ends_at"]


def test_late_records_are_all_there() -> None:
    stream, _label = with_one("late_data")
    calm = without_any()
    assert sorted(stream.usage["event_id"].to_pylist()) == sorted(calm.usage["event_id"].to_pylist())


def test_a_replay_sends_records_of_the_day_before_again_with_the_same_content() -> None:
    stream, label = with_one("duplicates_replay")
    first: dict[str, dict[str, Any]] = {}
    again = []
    for row in stream.usage.to_pylist():
        if row["event_id"] in first:
            assert first[row["event_id"]] == row
            again.append(row)
        first[row["event_id"]] = row
    assert len(again) > 100
    assert {label["at"] // DAY_MS - 1} == {row["occurred_at"] // DAY_MS for row in again}
    assert list(first.values()) == sorted(first.values(), key=lambda row: row["occurred_at"])
