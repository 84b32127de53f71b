"""While a schema registry keeps one partition waiting, everything else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import cast

import pytest

from agents.kafka.registry import Fetched
from agents.settings.worker import WorkerConfig
from agents.transport.runs import Run
from agents.worker.ingest import Ingest
from agents.worker.lease import Lease
from agents.worker.partition import Partition
from agents.worker.publisher import Publisher
from agents.worker.serde import Serde
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from schemas.codec.rows import frame
from schemas.definitions import Schema
from schemas.errors import RegistryUnavailableError, UnknownSchemaError
from schemas.registry.source import FileRegistry, SchemaId
from schemas.topics import INPUT_TOPICS, TopicSpec
from sinks.metrics import Metrics
from tests.support.hostile import good_value
from tests.support.patience import Patience, patience

TOPIC = "usage.events"
UNASKED, HUNG = 9_001, 9_002
"""Ids under which this registry has the schema of usage events, too."""


class SlowRegistry:
    """A registry that does not answer for one id until it is told to; it notes who asks for what."""

    def __init__(self) -> None:
        self.answers = Event()
        self.asked: list[SchemaId] = []
        self.unknown: set[int] = set()
        self._files = FileRegistry()

    def schema(self, schema_id: SchemaId) -> Schema:
        self.asked.append(schema_id)
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        if schema_id == HUNG:
            assert self.answers.wait(20)
        if schema_id in self.unknown:
            message = f"no schema {schema_id}"
            raise UnknownSchemaError(message)
        return self._files.schema(int.from_bytes(good_value(TOPIC)[1:5], "big"))

    def schema_id(self, topic: TopicSpec) -> int:
        return self._files.schema_id(topic)


class Nobody:
    """Takes what is published, as if it were acknowledged at once."""

    busy_s = 0.0

    async def publish(self, messages: object) -> None:
        pass

    async def publish_entries(self, topic: str, partition: int, entries: object) -> Nobody:
        return self

    def take(self) -> Nobody:
        return self

    async def wait(self) -> None:
        pass


class Delivered:
    """Remembers its acknowledgement."""

    acked = False

    def ack(self) -> bool:
        self.acked = True
        return True


def run(partition: int, offset: int, schema_id: int) -> Run:
    value = frame(schema_id) + good_value(TOPIC)[5:]
    return Run(TOPIC, partition, offset, offset + 1, 0, [offset], [1_000], [b"victim"], [value], [()])


def ingest_of(registry: SlowRegistry) -> Ingest:
    config = WorkerConfig("127.0.0.1:1", "unit")
    serde, nobody = Serde(registry, "/foreshock/unit"), cast("Publisher", Nobody())
    ingest = Ingest(config, INPUT_TOPICS, serde, nobody, Metrics(), Lease(config.session_timeout_ms))
    starts = dict.fromkeys(INPUT_TOPICS, 0)
    ingest.install([Partition(Feed(EngineConfig(), number, 2), 0, starts) for number in range(2)], 2)
    return ingest


async def until(done: Callable[[], bool]) -> None:
    limit = Patience(10)
    while not done():
        assert not limit.lost()
        await asyncio.sleep(0.01)


def test_a_registry_that_hangs_stops_one_partition_and_neither_the_others_nor_a_checkpoint() -> None:
    registry = SlowRegistry()

    async def scene() -> None:
        ingest = ingest_of(registry)
        feeds = {number: partition.feed for number, partition in ingest.partitions.items()}
        fetching = asyncio.create_task(ingest.fetch_schemas())
        await ingest.accept(run(0, 0, UNASKED), Delivered())
        await until(lambda: feeds[0].next_offset(TOPIC) == 1)
        hung = Delivered()
        await ingest.accept(run(1, 0, HUNG), hung)
        await until(lambda: HUNG in registry.asked)
        # The registry is silent from here on.
        following = Delivered()
        async with asyncio.timeout(patience(5)):
            await ingest.accept(run(0, 1, UNASKED), following)
            await ingest.accept(run(1, 1, UNASKED), Delivered())
            await ingest.checkpoint()
        assert (feeds[0].next_offset(TOPIC), feeds[1].next_offset(TOPIC)) == (2, 0)
        assert following.acked
        assert not hung.acked
        assert [(tp.topic, tp.partition) for tp in ingest.blocked()] == [(TOPIC, 1)]
        registry.answers.set()
        await until(lambda: feeds[1].next_offset(TOPIC) == 2)
        await ingest.checkpoint()
        assert hung.acked
        assert list(ingest.blocked()) == []
        fetching.cancel()

    asyncio.run(scene())
    assert registry.asked == [UNASKED, HUNG]


def test_a_schema_that_the_registry_does_not_have_is_asked_for_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = SlowRegistry()
    registry.unknown = {UNASKED}
    fetched = Fetched(registry)
    with pytest.raises(RegistryUnavailableError):
        fetched.schema(UNASKED)
    fetched.fetch()
    with pytest.raises(UnknownSchemaError):
        fetched.schema(UNASKED)
    fetched.fetch()
    assert registry.asked == [UNASKED]
    registry.unknown = set()
    monkeypatch.setattr("agents.kafka.registry.monotonic", lambda: monotonic() + 60)
    with pytest.raises(RegistryUnavailableError):
        fetched.schema(UNASKED)
    fetched.fetch()
    assert fetched.schema(UNASKED)["name"] == "UsageEvent"
