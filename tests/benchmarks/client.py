"""What an event costs a product: by the client, and by a bare producer of bytes that are there already."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Producer

from schemas.client import EventClient
from schemas.client.events import EventWriter
from schemas.registry.source import FileRegistry
from schemas.topics import PRODUCER
from tests.benchmarks.process import Clock

_FLUSH_S = 120.0


def emit(bootstrap: str, events: int, by: str) -> dict[str, Any]:
    """Events a second until all are acknowledged, and microseconds of CPU an event."""
    fields = [
        {"account_id": f"a{number % 997}", "user_id": f"u{number % 7919}", "feature": "reports.export"}
        for number in range(events)
    ]
    return _by_client(bootstrap, fields) if by == "client" else _bare(bootstrap, fields)


def _by_client(bootstrap: str, fields: list[Any]) -> dict[str, Any]:
    with EventClient(f"kafka://{bootstrap}", block_s=_FLUSH_S) as client:
        clock = Clock()
        for each in fields:
            client.usage(**each)
        assert client.flush(_FLUSH_S) == 0
        return _found(clock, len(fields))


def _bare(bootstrap: str, fields: list[Any]) -> dict[str, Any]:
    writer = EventWriter("usage", FileRegistry(), None)
    made = [writer.write(each, 1_790_000_000_000).event for each in fields]
    producer = Producer({**PRODUCER, "bootstrap.servers": bootstrap, "queue.buffering.max.messages": 2_000_000})
    clock = Clock()
    for event in made:
        producer.produce(event.topic, event.value, event.key)
        producer.poll(0)
    assert producer.flush(_FLUSH_S) == 0
    return _found(clock, len(made))


def _found(clock: Clock, events: int) -> dict[str, Any]:
    return {"per_s": events / clock.seconds(), "cpu_us": 1e6 * clock.cpu_seconds() / events}
