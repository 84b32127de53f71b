"""The fleet's log on the embedded broker: read from its beginning, again for those who come, and kept by nobody."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence

import pytest
from confluent_kafka import Producer

from agents.kafka.embedded import EmbeddedBroker
from agents.settings.worker import WorkerConfig
from agents.worker.fleet_tail import FleetTail
from pipeline.terms.fleet_day import FleetDay
from tests.support.patience import patience

pytestmark = pytest.mark.timeout(60)

TOPIC = "fleet.days"
RECORDS = 3_000


class Told(FleetDay):
    """A record that shows whether anybody holds it."""


def test_who_comes_is_told_all_from_the_first_and_nothing_is_kept() -> None:
    made: list[weakref.ref[FleetDay]] = []
    readings: list[list[int]] = []
    held: list[int] = []

    def decode(value: bytes) -> FleetDay:
        record = Told(0, int(value), int(value))
        made.append(weakref.ref(record))
        return record

    async def hear(records: Sequence[FleetDay], first: bool) -> bool:
        if first:
            readings.append([])
        readings[-1] += [record.day for record in records]
        held.append(sum(record() is not None for record in made))
        return len(readings) < 3 and len(readings[-1]) >= RECORDS / 2

    async def follow(bootstrap: str) -> None:
        task = asyncio.create_task(FleetTail(WorkerConfig(bootstrap, "tail", embedded=True), decode).run(hear))
        while not task.done() and (len(readings) < 3 or len(readings[2]) < RECORDS):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with EmbeddedBroker([TOPIC]) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        for day in range(RECORDS):
            producer.produce(TOPIC, str(day), partition=0)
        producer.flush(patience(10))
        asyncio.run(follow(broker.bootstrap))
    assert readings[2] == list(range(RECORDS))
    assert [reading == list(range(len(reading))) for reading in readings] == [True] * 3
    assert max(held) < RECORDS / 4
    assert not any(record() for record in made)
