"""The packaged .avsc files: current schemas and released versions of them."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = dict[str, Any]
"""A record schema as its JSON says."""

NAMES = (
    "usage_event",
    "billing_event",
    "ticket_event",
    "customer_signal",
    "account_profile",
    "clock_tick",
    "alert",
    "account_health",
    "dead_letter",
    "ledger_entry",
    "alert_command",
    "case",
    "command_result",
    "erasure_request",
    "fleet_day",
)


@cache
def current(name: str) -> Schema:
    """The schema of this build; callers must not change it. Raises KeyError for a name not in NAMES."""
    if name not in NAMES:
        raise KeyError(name)
    return _read(f"{name}.avsc")


@cache
def released(name: str) -> Mapping[int, Schema]:
    """Released versions by number, oldest first."""
    return {version: _read(f"released/{name}/{version}.avsc") for version in sorted(released_ids()[name])}


@cache
def released_ids() -> Mapping[str, Mapping[int, int]]:
    """Schema ids of released versions: name → version → id. They are the same in every process, for ever."""
    return {
        name: {int(version): schema_id for version, schema_id in versions.items()}
        for name, versions in _read("ids.json").items()
    }


def _read(path: str) -> Schema:
    content: Schema = json.loads(files(__package__).joinpath(path).read_text(encoding="utf-8"))
    return content
