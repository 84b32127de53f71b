"""How far the demo is: what the worker has applied and committed, and what the database holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx
from confluent_kafka import TopicPartition
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Column, Select, func, select

from agents.kafka import clients
from agents.kafka.embedded import PARTITIONS
from pipeline.scorecards.bands import NAMES
from schemas.topics import INPUT_TOPICS
from sinks.database import tables
from sinks.database.engine import open_engine
from sinks.delivery import PROJECTIONS

_ASK_S = 10.0
_INPUTS = [TopicPartition(topic, number) for topic in INPUT_TOPICS for number in range(PARTITIONS)]


@dataclass(frozen=True, slots=True)
class Applied:
    """What the worker says of its input."""

    fates: dict[str, dict[str, int]] = field(default_factory=dict)
    """By topic; empty before the worker answers."""
    watermark_ms: int | None = None
    """Of the partition that is behind the others."""

    @property
    def records(self) -> int:
        """Records that have met their fate."""
        return sum(sum(fates.values()) for fates in self.fates.values())


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the database holds."""

    bands: dict[str, int]
    alerts: dict[str, int]
    """By kind."""


class Watch:
    """Looks at one demo from outside; for one thread.

    Args:
        client: librdkafka settings of any client of the broker.
        group: of the worker.
        metrics_port: of the worker.
        database_url: of the database that is delivered to.
    """

    def __init__(self, client: Mapping[str, Any], group: str, metrics_port: int, database_url: str) -> None:
        self._consumer = clients.consumer(client, "positions", group)
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{metrics_port}", trust_env=False, timeout=_ASK_S)
        self._engine = open_engine(database_url)
        self._group = group

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()
        self._http.close()
        self._engine.dispose()

    def applied(self) -> Applied:
        """Fates of the records and the watermark, from the worker's metrics."""
        try:
            text = self._http.get("/metrics").raise_for_status().text
        except httpx.HTTPError:
            return Applied()
        fates: dict[str, dict[str, int]] = {topic: {} for topic in INPUT_TOPICS}
        watermarks = []
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "foreshock_records_total":
                    fates[sample.labels["topic"]][sample.labels["fate"]] = int(sample.value)
                elif sample.name == "foreshock_watermark_timestamp_seconds":
                    watermarks.append(int(sample.value * 1000))
        known = len(watermarks) == len(_INPUTS) and min(watermarks) > 0
        return Applied(fates, min(watermarks) if known else None)

    def uncommitted(self) -> int:
        """Input records that the worker has not committed."""
        committed = {
            (each.topic, each.partition): max(0, each.offset)
            for each in self._consumer.committed(_INPUTS, timeout=_ASK_S)
        }
        return sum(self._end(each) - committed[each.topic, each.partition] for each in _INPUTS)

    def undelivered(self) -> int:
        """Output records that the database does not have."""
        positions = tables.sink_positions
        query = select(positions.c.topic, positions.c.partition, positions.c.next_offset).where(
            positions.c.cluster == self._group
        )
        with self._engine.connect() as connection:
            reached = {(row.topic, row.partition): row.next_offset for row in connection.execute(query)}
        outputs = [TopicPartition(topic, number) for topic in PROJECTIONS for number in range(PARTITIONS)]
        return sum(self._end(each) - reached.get((each.topic, each.partition), 0) for each in outputs)

    def delivered(self) -> Delivered:
        """Counts for the progress display."""
        with self._engine.connect() as connection:
            bands, alerts = (
                {row.value: row.number for row in connection.execute(query)}
                for query in (_count_by(tables.accounts.c.band), _count_by(tables.alerts.c.kind))
            )
        return Delivered({name: bands.get(name, 0) for name in reversed(NAMES)}, alerts)

    def _end(self, place: TopicPartition) -> int:
        _low, high = self._consumer.get_watermark_offsets(TopicPartition(place.topic, place.partition), timeout=_ASK_S)
        return int(high)


def _count_by(column: Column[Any]) -> Select[Any]:
    number = func.count().label("number")
    return select(column.label("value"), number).group_by(column).order_by(number.desc())
