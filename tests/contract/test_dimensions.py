"""What was never told of is missing in every dimension, never 0, however much is known of all else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline.config import EngineConfig
from pipeline.health.dimensions import DIMENSIONS, FEATURE
from pipeline.scorecards.card import Criterion, Scorecard
from tests.oracle.model import BILLING, DAY_MS, HOUR_MS, PROFILES, SIGNALS, TICKETS, USAGE
from tests.support.scene import MIDNIGHT_MS, Partition
from tests.support.wire import blank, smallest

Event = Mapping[str, Any]
NAMES = (*DIMENSIONS, f"{FEATURE}home")
DAYS = 112
PEOPLE = ("user_id",)
LACKING: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("usage_trend", "feature_breadth", "feature_adoption", f"{FEATURE}home"), (USAGE, ())),
    **dict.fromkeys(("active_users", "seat_utilisation", "seats_activated", "power_users"), (USAGE, PEOPLE)),
    **dict.fromkeys(("first_use", "adoption_ladder"), (USAGE, ())),
    "support": (TICKETS, ()),
    "billing": (BILLING, ()),
    "contract": (BILLING, ("mrr_minor_after",)),
    "sentiment": (SIGNALS, ("pulse", "nps")),
    "pulse": (SIGNALS, ("pulse",)),
    "survey": (SIGNALS, ("nps",)),
    "support_quality": (SIGNALS, ("qa_scored",)),
    "engagement": (SIGNALS, ("meeting_held",)),
    "attendance": (SIGNALS, ("meeting_held",)),
    "milestones": (SIGNALS, ("milestone_reached",)),
    "outcomes": (SIGNALS, ("outcome_reached",)),
    "commitments": (SIGNALS, ("milestone_reached", "outcome_reached")),
    "sponsor": (SIGNALS, ("sponsor_changed",)),
    "champion": (SIGNALS, ("contact_joined",)),
    "integrations": (SIGNALS, ("integration_connected",)),
    "reference": (SIGNALS, ("reference_given",)),
}
"""What is taken from an account that else has everything: of a topic some fields, signals of some types, or all."""
ALWAYS_KNOWN = {"first_use"}
"""It asks whether there is anything at all: without an event it is 0."""


def events_of(day: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """An account of which everything is known."""
    for user in ("ida", "jo", "kim", "lou"):
        yield USAGE, {"user_id": user, "feature": "home"}
    if day == DAYS - 2:
        yield PROFILES, {"seats": 6, "entitled_features": ["home", "audit"]}
        yield TICKETS, {"ticket_id": "t", "type": "opened", "priority": "p3"}
        yield BILLING, {"type": "subscription_started", "subscription_id": "s", "mrr_minor_after": 900}
        for kind in ("meeting_held", "milestone_reached", "outcome_reached", "integration_connected"):
            yield SIGNALS, {"type": kind, "subject": "launch"}
        yield SIGNALS, {"type": "reference_given"}
        yield SIGNALS, {"type": "sponsor_changed", "contact_id": "ida"}
        yield SIGNALS, {"type": "contact_joined", "contact_id": "jo", "role": "champion"}
        for kind, score in (("pulse", 4.0), ("nps", 9.0), ("qa_scored", 80.0)):
            yield SIGNALS, {"type": kind, "score": score}


def lacking(name: str, topic: str, event: dict[str, Any]) -> dict[str, Any] | None:
    """An event without what a dimension reads; nothing where nothing is left."""
    of_topic, parts = LACKING.get(name, ("", ()))
    if topic != of_topic:
        return event
    if not parts or event.get("type") in parts:
        return None
    return event | dict.fromkeys(part for part in parts if part in event)


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, float]]:
    """Values of all dimensions at the end, by account: one lacks what a dimension reads, one lacks nothing."""
    card = Scorecard("all", 1, tuple(Criterion(name, 1) for name in NAMES))
    partition = Partition(EngineConfig(scorecards=(card,), health_scorecards=("all",)))
    for day in range(DAYS):
        at_ms = MIDNIGHT_MS + day * DAY_MS + 12 * HOUR_MS
        for number, (topic, event) in enumerate(events_of(day)):
            times = dict.fromkeys(("occurred_at", "updated_at"), at_ms)
            own = {name: lacking(name, topic, event) for name in (*NAMES, "nothing")}
            whole = [
                blank(topic) | smallest(topic) | times | part | {"account_id": name, "event_id": f"{day}-{number}"}
                for name, part in own.items()
                if part is not None
            ]
            partition.take(topic, whole, at_ms)
        partition.tick(at_ms + DAY_MS // 2 + HOUR_MS)
    newest = {record["account_id"]: record["dimensions"] for record in partition.outcome.health}
    return {name: {each["name"]: each["value"] for each in dimensions} for name, dimensions in newest.items()}


def test_of_an_account_of_which_everything_is_known_no_dimension_is_missing(told: dict[str, dict[str, float]]) -> None:
    assert set(told["nothing"]) == set(NAMES)
    assert all(math.isfinite(value) for value in told["nothing"].values())


@pytest.mark.parametrize("name", NAMES)
def test_a_dimension_is_missing_where_its_input_is(name: str, told: dict[str, dict[str, float]]) -> None:
    assert told[name].get(name) == (0.0 if name in ALWAYS_KNOWN else None)
