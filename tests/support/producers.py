"""A team's own Kafka producer: any partitioner, Avro or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
from confluent_kafka import KafkaError, Message, Producer

from agents.replay.plan import Step
from schemas.codec.encode import Encoder, TickEncoder
from schemas.partitioning import partition_of
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS, TICK_KEY, TOPICS
from tests.support.patience import patience

LIBRDKAFKA = "consistent_random"
"""What Python's, Go's and .NET's clients and kcat place keys by, unless told."""


@dataclass(frozen=True, slots=True)
class Team:
    """How a team's producer is made."""

    partitioner: str
    encoding: str


TEAMS = {
    "murmur2": Team("murmur2_random", "avro"),
    "librdkafka": Team(LIBRDKAFKA, "avro"),
    "json": Team(LIBRDKAFKA, "json"),
}


class Sending:
    """Produces planned steps, and counts what was placed where its account does not belong."""

    def __init__(self, bootstrap: str, team: Team, partitions: int) -> None:
        self.bootstrap = bootstrap
        self._team, self._partitions = team, partitions
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": team.partitioner,
                "queue.buffering.max.messages": 2_000_000,
                "log_level": 0,
            }
        )
        self._encoders = {topic: Encoder(TOPICS[topic], FileRegistry()) for topic in INPUT_TOPICS}
        self._ticks = TickEncoder(FileRegistry())
        self.sent: Counter[str] = Counter()
        self.strays: Counter[str] = Counter()

    def events(self, step: Step, topics: Container[str] = INPUT_TOPICS) -> int:
        """All events of a step in these topics, acknowledged; their number."""
        chosen = [rows for rows in step.rows if len(rows) and rows.topic in topics]
        for rows in chosen:
            keys = rows.table.column("account_id").to_pylist()
            for key, value in zip(keys, self._values(rows.topic, rows.table), strict=True):
                self._producer.produce(rows.topic, value, key.encode(), on_delivery=self._delivered)
                self._producer.poll(0)
        assert self._producer.flush(patience(60)) == 0
        return sum(map(len, chosen))

    def tick(self, at_ms: int) -> None:
        """A tick in each partition of each topic, acknowledged."""
        for topic in INPUT_TOPICS:
            for partition in range(self._partitions):
                self._producer.produce(topic, self._ticks.encode(at_ms, "test"), TICK_KEY, partition)
        assert self._producer.flush(patience(30)) == 0

    def _values(self, topic: str, table: pa.Table) -> list[bytes]:
        if self._team.encoding == "avro":
            return self._encoders[topic].encode_table(table)
        return [msgspec.json.encode(_given(row)) for row in table.to_pylist(maps_as_pydicts="strict")]

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        topic = str(message.topic())
        self.sent[topic] += 1
        self.strays[topic] += partition_of(message.key() or b"", self._partitions) != message.partition()


def _given(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}
