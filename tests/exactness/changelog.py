"""The workers' changelog, followed as it grows."""

from __future__ import annotations

from collections import defaultdict

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from pipeline.changelog.read import Loader
from pipeline.changelog.records import CLAIM_KEY, POSITION_KEY, read_partition_record
from pipeline.config import EngineConfig
from pipeline.intake.feed import Feed
from tests.support.topics import Positions, partitions


class Changelog:
    """The workers' changelog, followed from its beginning."""

    def __init__(self, consumer: Consumer, topic: str) -> None:
        self._consumer = consumer
        self._records: defaultdict[int, list[tuple[bytes, bytes | None, int]]] = defaultdict(list)
        self._epochs: defaultdict[int, int] = defaultdict(lambda: -1)
        self._positions: Positions = {}
        self._unfinished: defaultdict[int, int] = defaultdict(int)
        self.claims = 0
        """Take-overs of a partition."""
        self.cuts = 0
        """Checkpoints of which accounts were written, and the partition's record was not."""
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions(consumer, topic)])

    def positions(self) -> Positions:
        """Next offset to apply of every input partition, as far as it is durable."""
        while messages := self._consumer.consume(10_000, 0.1):
            for message in messages:
                if message.error():
                    raise KafkaException(message.error())
                self._take(message)
        return dict(self._positions)

    def _take(self, message: Message) -> None:
        number, offset = int(message.partition() or 0), int(message.offset() or 0)
        key, value = message.key() or b"", message.value()
        self._records[number].append((key, value, offset))
        if key == CLAIM_KEY:
            self._epochs[number] = offset
            self.claims += 1
            self.cuts += self._unfinished.pop(number, 0) > 0
        elif key == POSITION_KEY and value is not None:
            record = read_partition_record(value)
            if record.epoch >= self._epochs[number]:
                self._unfinished[number] = 0
                for topic, saved in record.topics.items():
                    self._positions[topic, number] = saved.position
        elif not key.startswith(b"\x00"):
            self._unfinished[number] += 1

    def stale(self, config: EngineConfig) -> int:
        """Values that frozen former owners wrote."""
        return sum(self._loader(config, number).stale for number in self._records)

    def kept_feeds(self, config: EngineConfig) -> dict[int, Feed]:
        """What the next owner of each partition would go on from."""
        return {number: self._loader(config, number).finish() for number in self._records}

    def _loader(self, config: EngineConfig, number: int) -> Loader:
        loader = Loader(config, number)
        for record in self._records[number]:
            loader.add(*record)
        return loader
