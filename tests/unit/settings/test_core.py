"""The core's configuration refuses what it cannot keep, and its fingerprint tells any two apart."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from pipeline.config import STREAMS, EngineConfig
from pipeline.scorecards.card import Criterion, Scorecard
from pipeline.scorecards.profiles import HealthProfile
from pipeline.terms.calendar import PlannedShutdown
from schemas.topics import DAY_MS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("out_of_orderness_ms", -1),
        ("out_of_orderness_ms", DAY_MS + 1),
        ("allowed_lateness_days", -1),
        ("allowed_lateness_days", 8),
        ("arl_days", 1.0),
        ("accounts_per_owner", 0),
        ("false_per_owner_per_week", 0.0),
        ("basic_drop_pct", 100.0),
    ],
)
def test_values_out_of_range_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        EngineConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("out_of_orderness_ms", 0), ("out_of_orderness_ms", DAY_MS), ("allowed_lateness_days", 7), ("arl_days", 1.5)],
)
def test_the_ends_of_the_ranges_are_accepted(name: str, value: Any) -> None:
    assert getattr(EngineConfig(**{name: value}), name) == value


@pytest.mark.parametrize("name", [field.name for field in fields(EngineConfig)])
def test_every_setting_enters_the_fingerprint(name: str) -> None:
    config = EngineConfig()
    others: dict[str, Any] = {
        "timezone": "Asia/Tokyo",
        "shutdowns": (PlannedShutdown(1, 2),),
        "arl_days": 300.0,
        "prior_daily_actions": (1.0, 2.0, 3.0, 4.0),
        "scorecards": (Scorecard("mine", 1, (Criterion("support", 1),)),),
        "health_scorecards": ("default", "mine"),
        "shadow_kinds": ("silence",),
        "profiles": (HealthProfile("all", ("default",)),),
        "enabled_kinds": ("advocacy_moment",),
        "disabled_kinds": ("silence",),
        "stage_days": (("adoption", 180),),
    }
    value = others[name] if name in others else getattr(config, name) + 1
    assert replace(config, **{name: value}).config_hash != config.config_hash


def test_the_budget_gives_the_average_run_length() -> None:
    config = EngineConfig(false_per_owner_per_week=0.5, accounts_per_owner=50)
    assert config.run_length_days == 50 * STREAMS * 7 / 0.5
    assert config.expected_false_per_owner_week == pytest.approx(0.5)


def test_a_run_length_that_is_set_wins_and_tells_what_it_costs() -> None:
    config = EngineConfig(arl_days=2800.0, accounts_per_owner=50)
    assert config.run_length_days == 2800.0
    assert config.expected_false_per_owner_week == pytest.approx(50 * STREAMS * 7 / 2800)


def test_equal_settings_have_equal_fingerprints() -> None:
    assert EngineConfig().config_hash == EngineConfig().config_hash
    assert len(EngineConfig().config_hash) == 12


def test_lateness_is_whole_days() -> None:
    assert EngineConfig(allowed_lateness_days=2).allowed_lateness_ms == 2 * DAY_MS
