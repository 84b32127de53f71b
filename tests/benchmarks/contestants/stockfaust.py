"""A stock Faust agent: its Kafka transport, event by event, a memory table with its changelog.

It does the same daily count, a dedup and the rule; windows, checkpoints across topics and detectors are left out,
which is in its favour.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from io import BytesIO
from typing import Any

import fastavro
import faust

from schemas.topics import DAY_MS, TICK_KEY
from tests.benchmarks.contestants.handloop import alert_of, parsed_schemas
from tests.benchmarks.progress import Progress

_FRAME_BYTES = 5
_TIMEOUT_S = 300.0


def drain(bootstrap: str, group: str, records: int, partitions: int) -> dict[str, Any]:
    """Read the first so many records of the backlog."""
    return asyncio.run(_drain(bootstrap, group, records, partitions))


async def _drain(bootstrap: str, group: str, records: int, partitions: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="stock-faust-") as folder:
        app = faust.App(
            group,
            broker=f"kafka://{bootstrap}",
            store="memory://",
            datadir=folder,
            web_enabled=False,
            topic_partitions=partitions,
            topic_replication_factor=1,
            topic_disable_leader=True,
            autodiscover=False,
            broker_commit_interval=5.0,
        )
        progress, done = Progress(records), asyncio.Event()
        _define(app, progress, done)
        await app.start()
        try:
            await asyncio.wait_for(done.wait(), _TIMEOUT_S)
            return progress.report()
        finally:
            await app.stop()


def _define(app: Any, progress: Progress, done: asyncio.Event) -> None:
    schemas = parsed_schemas()
    counts = app.Table("counts", default=float)
    seen: set[str] = set()
    alerts = app.topic("bench.alerts", key_serializer="raw", value_serializer="raw")
    names = ("usage.events", "billing.events")
    topic = app.topic(*names, key_serializer="raw", value_serializer="raw", key_type=bytes, value_type=bytes)

    async def count(stream: Any) -> None:
        async for event in stream.events():
            progress.saw(1)
            if progress.finished:
                done.set()
            if event.key == TICK_KEY:
                continue
            name = event.message.topic
            record: Any = fastavro.schemaless_reader(BytesIO(event.value[_FRAME_BYTES:]), schemas[name], None)
            if record["event_id"] in seen:
                continue
            seen.add(record["event_id"])
            if name == "usage.events":
                day = record["occurred_at"] // DAY_MS
                counts[f"{record['account_id']}|{day}"] += record["quantity"]
            elif record["type"] == "payment_failed":
                body = json.dumps(alert_of(record)).encode()
                await alerts.send(key=record["account_id"].encode(), value=body)

    app.agent(topic, name="count")(count)
