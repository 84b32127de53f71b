"""The ceiling: fetch and decode into columns, keep nothing."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from schemas.codec.decode import Decoder
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS, TOPICS
from tests.benchmarks.contestants.reading import consumer
from tests.benchmarks.progress import Progress

_CHUNK = 5_000


def drain(bootstrap: str, group: str, records: int) -> dict[str, Any]:
    """Read the backlog."""
    registry = FileRegistry()
    decoders = {name: Decoder(TOPICS[name], registry) for name in INPUT_TOPICS}
    progress, events = Progress(records), 0
    with consumer(bootstrap, group) as source:
        while not progress.finished:
            messages = source.consume(_CHUNK, 1.0)
            for (topic, partition), run in _by_partition(messages).items():
                offsets = [message.offset() for message in run]
                batch = decoders[topic].decode(
                    partition,
                    offsets[0],
                    offsets[-1] + 1,
                    offsets,
                    [message.timestamp()[1] for message in run],
                    [message.key() for message in run],
                    [message.value() for message in run],
                )
                events += batch.events.num_rows
            progress.saw(len(messages))
    return progress.report() | {"events": events}


def _by_partition(messages: list[Any]) -> dict[tuple[str, int], list[Any]]:
    runs: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for message in messages:
        runs[message.topic(), message.partition()].append(message)
    return runs
