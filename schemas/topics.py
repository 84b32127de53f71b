"""The topics: what they carry, how they are keyed and how long they keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["input", "output", "internal", "people"]

DAY_MS = 86_400_000
MESSAGE_BYTES = 1_048_588
"""Kafka's own limit; what the input topics take at most."""
LARGEST_MESSAGE_BYTES = 4 * 1024 * 1024
"""A dead letter holds a whole record of an input topic, its key twice."""
PARTITIONS = 8
"""Of every topic keyed by account; all of them must have the same count."""

PRODUCER: dict[str, str | int | bool] = {
    # Loses, repeats and reorders nothing while it lives.
    "acks": "all",
    "enable.idempotence": True,
    # As Kafka's own clients place keys.
    "partitioner": "murmur2_random",
    "linger.ms": 5,
    "compression.type": "lz4",
}
"""librdkafka settings of whoever writes to the topics."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic. `key` names the field in the key, in UTF-8; `schema` is a name in definitions."""

    name: str
    schema: str
    key: str
    partitions: int
    cleanup_policy: Literal["delete", "compact"]
    retention_ms: int
    """-1: for ever."""
    role: Role

    @property
    def subject(self) -> str:
        """Where the registry keeps the schema of the values."""
        return f"{self.name}-value"

    @property
    def max_message_bytes(self) -> int:
        """The largest record that the topic takes."""
        return LARGEST_MESSAGE_BYTES if self.role in {"output", "internal"} else MESSAGE_BYTES


def _input(name: str, schema: str) -> TopicSpec:
    """What systems tell of accounts, and people of the cases about them (`alert.commands`)."""
    # The longest look back is 112 days; a partition's state can be rebuilt from its topics.
    return TopicSpec(name, schema, "account_id", PARTITIONS, "delete", 120 * DAY_MS, "input")


def _log(name: str, schema: str, role: Role, days: int, key: str = "account_id") -> TopicSpec:
    return TopicSpec(name, schema, key, PARTITIONS, "delete", days * DAY_MS, role)


def _state(name: str, schema: str, role: Role, key: str = "account_id") -> TopicSpec:
    return TopicSpec(name, schema, key, PARTITIONS, "compact", -1, role)


_ALL = (
    _input("usage.events", "usage_event"),
    _input("billing.events", "billing_event"),
    _input("ticket.events", "ticket_event"),
    _input("customer.signals", "customer_signal"),
    _state("account.profiles", "account_profile", "input"),
    _input("alert.commands", "alert_command"),
    _log("alerts.raw", "alert", "internal", 30),
    TopicSpec("fleet.days", "fleet_day", "partition", 1, "delete", 120 * DAY_MS, "internal"),
    _log("alerts.health", "alert", "output", 90),
    _log("alerts.expansion", "alert", "output", 90),
    _log("alerts.shadow", "alert", "output", 90),
    _state("alerts.state", "alert", "output", key="alert_id"),
    _state("cases", "case", "output", key="case_id"),
    _log("command.results", "command_result", "output", 90),
    _state("account.health", "account_health", "output"),
    _log("dead.letters", "dead_letter", "output", 14, key="source key"),
    TopicSpec("ledger", "ledger_entry", "partition", 1, "delete", 30 * DAY_MS, "output"),
    _log("erasure.requests", "erasure_request", "people", 90),
)

TOPICS: dict[str, TopicSpec] = {spec.name: spec for spec in _ALL}

INPUT_TOPICS: tuple[str, ...] = tuple(spec.name for spec in _ALL if spec.role == "input")
"""In the order in which the core numbers them."""

TICK_KEY = b"\x00tick"
"""Key of a tick; no account can have it."""

CLOCK_TICKS = TopicSpec("clock.ticks", "clock_tick", "tick", PARTITIONS, "delete", -1, "internal")
"""Not a topic: ticks stand inside the input topics. It names their schema and the subject of it."""
