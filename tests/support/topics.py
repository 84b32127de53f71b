"""Topics of their own for each test on a shared broker, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from schemas.topics import INPUT_TOPICS
from tests.support.patience import Patience, patience, wait_until

Positions = dict[tuple[str, int], int]
ASK_S = 20.0
"""Of one request to a broker."""


def admin_of(bootstrap: str) -> AdminClient:
    """A client that says nothing about a broker which is down on purpose."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def names(bootstrap: str) -> set[str]:
    """All topics but Kafka's own."""
    found = admin_of(bootstrap).list_topics(timeout=patience(ASK_S)).topics
    return {name for name in found if not name.startswith("__")}


def delete_topics(bootstrap: str, unwanted: Iterable[str] | None = None) -> None:
    """Delete topics, all of them unless told which, and wait until they are gone."""
    gone = names(bootstrap) if unwanted is None else set(unwanted)
    admin = admin_of(bootstrap)
    for future in admin.delete_topics(list(gone)).values() if gone else ():
        future.result(patience(ASK_S))
    wait_until(lambda: not gone & names(bootstrap), f"{sorted(gone)} to be gone")


def alter(bootstrap: str, topic: str, name: str, value: str) -> None:
    """Set a configuration of a topic, and wait until the broker tells of it."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = admin_of(bootstrap)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(patience(ASK_S))

    def told() -> bool:
        [future] = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
        return bool(future.result(patience(ASK_S))[name].value == value)

    wait_until(told, f"{topic} to have {name}={value}")


def grow(bootstrap: str, topics: Iterable[str], count: int) -> None:
    """Give topics more partitions, so many in all."""
    wanted = [NewPartitions(topic, count) for topic in topics]
    admin = admin_of(bootstrap)
    for future in admin.create_partitions(wanted).values():
        future.result(patience(ASK_S))


@contextmanager
def reader(bootstrap: str) -> Iterator[Consumer]:
    """A consumer that commits nothing."""
    settings: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "group.id": "test-reader",
        "enable.auto.commit": False,
        "fetch.wait.max.ms": 20,
        "isolation.level": "read_committed",
        "log_level": 0,
    }
    consumer = Consumer(settings)
    try:
        yield consumer
    finally:
        consumer.close()


def partitions(consumer: Consumer, topic: str) -> list[int]:
    """Partition numbers of a topic."""
    return sorted(consumer.list_topics(topic, timeout=patience(ASK_S)).topics[topic].partitions)


def watermarks(consumer: Consumer, topics: Iterable[str]) -> dict[tuple[str, int], tuple[int, int]]:
    """Offsets of the first record of each partition and after its last one."""
    return {
        (topic, number): consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=patience(ASK_S))
        for topic in topics
        for number in partitions(consumer, topic)
    }


def ends(consumer: Consumer, topics: Iterable[str] = INPUT_TOPICS) -> Positions:
    """Offset after the last record of each partition."""
    return {place: end for place, (_, end) in watermarks(consumer, topics).items()}


def everything(bootstrap: str, topics: Iterable[str]) -> Iterator[Message]:
    """All records that the topics hold now."""
    with reader(bootstrap) as consumer:
        left = {place: end for place, (begin, end) in watermarks(consumer, topics).items() if end > begin}
        consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in left])
        limit = Patience(ASK_S)
        while left:
            found = consumer.consume(10_000, 0.2)
            limit = Patience(ASK_S) if found else limit
            assert not limit.lost(), f"no more records came, but they go up to {left}"
            for message in found:
                if message.error():
                    raise KafkaException(message.error())
                place = str(message.topic()), int(message.partition() or 0)
                if place not in left:
                    continue
                yield message
                if int(message.offset() or 0) + 1 >= left[place]:
                    del left[place]


def records(bootstrap: str, topic: str) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Partition, offset, key and value of everything in a topic up to now."""
    for each in everything(bootstrap, [topic]):
        yield each.partition() or 0, each.offset() or 0, each.key() or b"", each.value() or b""
