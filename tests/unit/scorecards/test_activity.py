"""What a health record says of the account's last days and of its power users."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config import EngineConfig
from pipeline.terms.days import weekday
from tests.oracle.model import DAY_MS, PROFILES, USAGE
from tests.support.scene import TIMES, Partition

FIRST_DAY = 20_000
CHRISTMAS = FIRST_DAY + 82
WORK = [day for day in range(FIRST_DAY, CHRISTMAS) if weekday(day) < 5]


def told(days: dict[str, list[int]], close: int, country: str = "DE") -> dict[str, Any]:
    """The last health record of an account whose users do five actions on each of their days."""
    partition = Partition(EngineConfig(out_of_orderness_ms=0))
    partition.tick(FIRST_DAY * DAY_MS)
    profile = {"account_id": "acme", "updated_at": FIRST_DAY * DAY_MS, "country": country}
    partition.take(PROFILES, [profile], FIRST_DAY * DAY_MS)
    for day in range(FIRST_DAY, close + 1):
        for user in sorted(user for user, active in days.items() if day in active):
            at_ms = day * DAY_MS + DAY_MS // 2
            event = {"account_id": "acme", "event_id": f"{user}{day}", "user_id": user, "feature": "home"}
            partition.take(USAGE, [event | {"quantity": 5.0} | dict.fromkeys(TIMES, at_ms)], at_ms)
        partition.tick((day + 1) * DAY_MS)
    return [record for record in partition.outcome.health if record["day"] == close][-1]


def test_each_day_stands_beside_what_was_expected_of_it_and_holidays_are_as_quiet_as_weekends() -> None:
    activity = told({"ann": WORK, "bob": WORK}, CHRISTMAS + 3)["activity"]
    days = range(CHRISTMAS - 10, CHRISTMAS + 4)
    assert activity["first_day"] == days[0]
    assert activity["actions"] == [10_000 if day in WORK else 0 for day in days]
    assert activity["users"] == [2 if day in WORK else 0 for day in days]
    # Eight of each weekday, shrunk by one mean day.
    mean = 50 / 7
    busy, quiet = (80 + mean) / 9, mean / 9
    off = {CHRISTMAS, CHRISTMAS + 1}
    expected = [quiet if day in off or weekday(day) > 4 else busy for day in days]
    assert activity["expected"] == pytest.approx(expected, abs=5e-4)
    assert activity["dispersion"] >= 1.0


def test_a_young_account_has_the_days_since_its_first_use_and_nothing_is_expected_of_it() -> None:
    assert told({}, FIRST_DAY + 2)["activity"] is None
    activity = told({"ann": [FIRST_DAY + 1, FIRST_DAY + 3]}, FIRST_DAY + 4)["activity"]
    assert activity == {
        "first_day": FIRST_DAY + 1, "actions": [5_000, 0, 5_000, 0], "users": [1, 0, 1, 0],
        "expected": None, "dispersion": None,
    }  # fmt: skip


def test_power_users_are_listed_ten_at_most_the_quietest_first() -> None:
    left = [day for day in WORK if day < CHRISTMAS - 20]
    half = [day for day in WORK if day < CHRISTMAS - 14 or day % 2]
    others = {f"user{number}": WORK for number in range(9)}
    found = told({"left": left, "half": half, "seldom": WORK[::9]} | others, CHRISTMAS - 1, "XX")["power_users"]
    assert [each["ref"] for each in found[:2]] == ["left", "half"]
    assert found[0]["last_active_day"] == left[-1]
    assert found[0]["active_days"] == sum(day > CHRISTMAS - 29 for day in left)
    assert len(found) == 10
    assert {each["ref"] for each in found[2:]} < others.keys()
    assert {(each["last_active_day"], each["active_days"]) for each in found[2:]} == {(CHRISTMAS - 1, 20)}
