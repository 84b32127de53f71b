"""The alert kinds about who still comes: shares of seats and users, and people by name."""

from __future__ import annotations

from pipeline.kind import Kind, Play

USER_KINDS: dict[str, Kind] = {
    "seat_utilisation_drop": Kind(
        "risk",
        "warning",
        "intermediate",
        "share",
        "down",
        "betting-esr",
        Play("seat-review", "Ask who no longer needs a seat and why", 5),
        "{name}: {observed:.0%} of the seats are in use on a day, {expected:.0%} expected",
        "log",
        yields_to=(
            "usage_drop",
            "users_drop",
            "silence",
        ),
        condition="surely fewer of the paid seats are in use on a day than usual; buying seats is no reason",
        resolution="a week is back at 85 % of the expected",
    ),
    "stickiness_drop": Kind(
        "risk",
        "warning",
        "intermediate",
        "share",
        "down",
        "betting-esr",
        Play("habit-review", "Ask what brings people back less often", 5),
        "{name}: {observed:.0%} of the month's users come on a day, {expected:.0%} expected",
        "log",
        yields_to=(
            "usage_drop",
            "users_drop",
            "silence",
            "seat_utilisation_drop",
        ),
        condition="surely fewer of the month's users come on a day than usual (DAU/MAU)",
        resolution="a week is back at 85 % of the expected",
    ),
    "power_user_attendance": Kind(
        "risk",
        "error",
        "intermediate",
        "share",
        "down",
        "betting-esr",
        Play("champion-check", "Call the power users who went quiet", 2),
        "{name}: {observed:.0%} of the power users come on a day, {expected:.0%} expected",
        "log",
        yields_to=(
            "usage_drop",
            "users_drop",
            "power_user_decline",
            "user_mix_shift",
            "silence",
        ),
        condition="surely fewer of the power users come on a day than usual, and the total falls too",
        resolution="a week is back at 85 % of the expected",
    ),
}
