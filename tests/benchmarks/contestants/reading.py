"""The consumer that the contestants without Faust share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer

from schemas.topics import INPUT_TOPICS


@contextmanager
def consumer(bootstrap: str, group: str) -> Iterator[Any]:
    """A group's only consumer of all input topics, with fetching tuned for throughput."""
    source = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "fetch.min.bytes": 100_000,
            "fetch.wait.max.ms": 100,
            "queued.min.messages": 200_000,
            "log_level": 3,
        }
    )
    source.subscribe(list(INPUT_TOPICS))
    try:
        yield source
    finally:
        source.close()
