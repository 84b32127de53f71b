"""The settings under which runs are compared: as the oracle has them, and as a file has them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from pipeline.simulate import SimulationSettings
from tests.oracle.model import OracleConfig

ARL_DAYS = 5.0
"""Far from quiet: more alerts, retractions and late changes to compare."""
_START = SimulationSettings().calendar_days.start

PLAIN = OracleConfig(arl_days=ARL_DAYS)
"""One scorecard, nothing in shadow."""

MANY_SCORECARDS = OracleConfig(
    arl_days=ARL_DAYS,
    cards=(
        {
            "id": "customer",
            "version": 2,
            "criteria": {"usage_trend": 5, "support": 4, "scorecard:relations": 3, "seat_utilisation": 2},
            "bands": {"hold_days": 1, "min_coverage": 0.2},
            "shadow": False,
        },
        {
            "id": "relations",
            "version": 1,
            "criteria": {"billing": 5, "sentiment": 3, "engagement": 2, "support": 2},
            "bands": {"hold_days": 2},
            "shadow": False,
        },
        {
            "id": "trial",
            "version": 7,
            "criteria": {"usage_trend": 5, "active_users": 3, "support": 2},
            "bands": {"hold_days": 4, "red_below": 60, "red_until": 65, "green_until": 80, "green_from": 85},
            "shadow": True,
        },
    ),
    health_cards=("default", "trial", "customer"),
    profiles=(
        {"segments": ("smb",), "scorecards": ("trial", "customer", "relations"), "expects": {"seat_share": 0.5}},
        {
            "lifecycle_stages": ("onboarding",),
            "scorecards": ("customer",),
            "expects": {"daily_actions": 2.5},
            "disabled_kinds": ("payment_failed", "silence"),
        },
    ),
    fleet_min_accounts=6,
    shutdowns=((_START + 70, _START + 71, "smb", None), (_START + 85, _START + 85, None, "DE")),
    disabled_kinds=("review_overdue",),
    shadow_kinds=("usage_drop", "payment_failed", "seat_saturation"),
)
"""Scorecards by profile, one nested, one in shadow as three kinds are; shutdowns; a fleet of few accounts."""


def lines_of(config: OracleConfig) -> str:
    """What of a settings file makes the core's settings those of the oracle."""
    text = [
        "[detection]",
        f"arl_days = {config.arl_days}",
        f"fleet_min_accounts = {config.fleet_min_accounts}",
        "[health]",
        f"scorecards = {json.dumps(config.health_cards)}",
        "[kinds]",
        f"enabled = {json.dumps(config.enabled_kinds)}",
        f"disabled = {json.dumps(config.disabled_kinds)}",
        f"shadow = {json.dumps(config.shadow_kinds)}",
        "[calendar]",
        f"shutdowns = {json.dumps([_shutdown(*each) for each in config.shutdowns])}",
    ]
    text += [line for card in config.cards for line in _scorecard(card)]
    text += [line for number, profile in enumerate(config.profiles) for line in _profile(f"p{number}", profile)]
    return "\n".join(text) + "\n"


def _shutdown(first: int, last: int, segment: str | None, country: str | None) -> str:
    dates = "/".join(str(date.fromordinal(date(1970, 1, 1).toordinal() + day)) for day in (first, last))
    filters = {"segment": segment, "country": country}
    return "; ".join([dates, *(f"{name}={value}" for name, value in filters.items() if value is not None)])


def _scorecard(card: Mapping[str, Any]) -> Iterator[str]:
    yield "[[scorecards]]"
    yield f"id = {json.dumps(card['id'])}"
    yield f"version = {card['version']}"
    yield f"shadow = {json.dumps(card['shadow'])}"
    criteria = [f"{{ dimension = {json.dumps(name)}, weight = {weight} }}" for name, weight in card["criteria"].items()]
    yield f"criteria = [{', '.join(criteria)}]"
    yield f"bands = {{ {', '.join(f'{name} = {value}' for name, value in card['bands'].items())} }}"


def _profile(name: str, profile: Mapping[str, Any]) -> Iterator[str]:
    yield "[[profiles]]"
    yield f"name = {json.dumps(name)}"
    for key in ("segments", "lifecycle_stages", "scorecards", "disabled_kinds"):
        if key in profile:
            yield f"{key} = {json.dumps(profile[key])}"
    yield f"expects = {{ {', '.join(f'{key} = {value}' for key, value in profile['expects'].items())} }}"
