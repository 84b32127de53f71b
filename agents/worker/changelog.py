"""Reading the changelog in bulk: state and positions of partitions, in log order."""
# ruff: noqa: SLF001 - librdkafka's own error codes begin with an underscore

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from time import monotonic

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from agents.kafka import clients
from agents.settings.worker import WorkerConfig
from pipeline.changelog.read import Loader
from schemas.errors import BrokenError, ForeshockError

logger = logging.getLogger(__name__)

_CHUNK = 5_000
_POLL_S = 0.2
_METADATA_S = 30.0


class ChangelogError(BrokenError):
    """The changelog could not be read to its end."""


class Interrupted(ForeshockError):  # noqa: N818 - not an error: another rebalance made the reading pointless
    """Asked to stop before the end was reached."""


def read(config: WorkerConfig, loaders: Mapping[int, Loader], stopped: Callable[[], bool]) -> int:
    """Feed every changelog record of the loaders' partitions to them, up to the ends as of now.

    Args:
        config: the worker's.
        loaders: by partition number.
        stopped: asked between chunks whether to give up.

    Returns:
        Records read.

    Raises:
        ChangelogError: no progress for `recovery_timeout_s`, or the broker refused.
        Interrupted: `stopped` said so.
    """
    consumer = clients.reader(config, logger)
    try:
        ends = _ends(consumer, config, loaders)
        return _read_to(consumer, config, loaders, ends, stopped)
    except KafkaException as error:
        message = f"changelog {config.changelog_topic} cannot be read: {error.args[0]}"
        raise ChangelogError(message) from error
    finally:
        consumer.close()


def _ends(consumer: Consumer, config: WorkerConfig, numbers: Collection[int]) -> dict[int, int]:
    """End offsets of the partitions that hold anything."""
    ends: dict[int, int] = {}
    for number in numbers:
        tp = TopicPartition(config.changelog_topic, number)
        low, high = consumer.get_watermark_offsets(tp, timeout=_METADATA_S)
        if high > low:
            ends[number] = high
    return ends


def _read_to(
    consumer: Consumer,
    config: WorkerConfig,
    loaders: Mapping[int, Loader],
    ends: dict[int, int],
    stopped: Callable[[], bool],
) -> int:
    topic = config.changelog_topic
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in ends])
    left = dict(ends)
    count = 0
    moved_at = monotonic()
    while left:
        if stopped():
            raise Interrupted
        messages = consumer.consume(_CHUNK, _POLL_S)
        if messages:
            moved_at = monotonic()
        elif monotonic() - moved_at > config.recovery_timeout_s:
            text = f"changelog {topic}: no progress for {config.recovery_timeout_s:.0f} s, {left} not reached"
            raise ChangelogError(text)
        for message in messages:
            number, reached = _apply(message, left, loaders)
            count += message.error() is None
            if reached >= left.get(number, reached + 1):
                del left[number]
                consumer.incremental_unassign([TopicPartition(topic, number)])
    return count


def _apply(message: Message[bytes, bytes], left: dict[int, int], loaders: Mapping[int, Loader]) -> tuple[int, int]:
    """Hand a record on; its partition and the position that it tells of."""
    number, offset, error = message.partition(), message.offset(), message.error()
    if number is None or offset is None:
        raise KafkaException(error)
    if error is None:
        key = message.key()
        if key is not None and number in left:
            loaders[number].add(key, message.value(), offset)
        return number, offset + 1
    if error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    # The end of a partition tells a position too: holes at the end have no record.
    return number, offset
