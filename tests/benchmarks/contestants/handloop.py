"""The loop that a good engineer writes by hand: one record at a time, dictionaries, nothing durable.

It does less than the others: no dedup, no windows that expire, no alert but the one rule.
"""

from __future__ import annotations

import json
from collections import defaultdict
from io import BytesIO
from typing import Any

import fastavro
from confluent_kafka import Producer

from schemas.avro import plain
from schemas.registry.source import FileRegistry
from schemas.topics import DAY_MS, INPUT_TOPICS, TICK_KEY, TOPICS
from tests.benchmarks.contestants.reading import consumer
from tests.benchmarks.progress import Progress

_CHUNK = 500
_FRAME_BYTES = 5


def drain(bootstrap: str, group: str, records: int) -> dict[str, Any]:
    """Read the backlog."""
    schemas = parsed_schemas()
    accounts: dict[str, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(float)))
    alerts = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 3})
    progress, sent = Progress(records), 0
    with consumer(bootstrap, group) as source:
        while not progress.finished:
            messages = source.consume(_CHUNK, 1.0)
            for message in messages:
                if message.key() == TICK_KEY:
                    continue
                topic = message.topic()
                body = BytesIO(message.value()[_FRAME_BYTES:])
                event: Any = fastavro.schemaless_reader(body, schemas[topic], None)
                if topic == "usage.events":
                    day = accounts[event["account_id"]][event["occurred_at"] // DAY_MS]
                    day["actions"] += event["quantity"]
                    day[event["user_id"]] += 1
                elif topic == "billing.events" and event["type"] == "payment_failed":
                    alerts.produce("bench.alerts", json.dumps(alert_of(event)), event["account_id"])
                    sent += 1
            progress.saw(len(messages))
            alerts.poll(0)
    alerts.flush(10)
    return progress.report() | {"accounts": len(accounts), "alerts": sent}


def parsed_schemas() -> dict[str, Any]:
    """Writer schemas of the input topics, parsed once; times stay integer milliseconds."""
    registry = FileRegistry()
    return {
        name: fastavro.parse_schema(plain(registry.schema(registry.schema_id(TOPICS[name])))) for name in INPUT_TOPICS
    }


def alert_of(event: dict[str, Any]) -> dict[str, Any]:
    """What the rule says."""
    return {"kind": "payment_failed", "account_id": event["account_id"], "at": event["occurred_at"]}
