"""Topics on the brokers: what they must be, how they differ, and bringing them there."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicMetadata,
)

from agents.kafka.brokers import ask, brokers_of, topics_of
from agents.process.exits import UnreachableError
from agents.settings import Settings
from schemas.topics import LARGEST_MESSAGE_BYTES, PARTITIONS, TOPICS

_ASK_S = 30.0
_ANSWER_S = 5.0
_PATIENCE_S = 30.0
_LOOK_S = 0.1
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as it must be."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a topic is not as it must be.

    `what` is "topic", "partitions", "replication" or the name of a configuration.
    """

    topic: str
    what: str
    found: str
    wanted: str

    @property
    def mendable(self) -> bool:
        """Whether `apply` does it: what moves data, or keys to other partitions, a person must decide."""
        return self.what not in {"partitions", "replication"}

    def __str__(self) -> str:
        """As one line."""
        return f"{self.topic}: {self.what} is {self.found}, must be {self.wanted}"


def wanted_topics(settings: Settings) -> list[Wanted]:
    """Every topic of the deployment, the workers' changelog included."""
    replication = settings.kafka.replication_factor
    common = {"min.insync.replicas": str(max(1, replication - 1)), "message.timestamp.type": "CreateTime"}
    compacted = {
        **common,
        "cleanup.policy": "compact",
        "retention.ms": "-1",
        # Time for a new owner to write again what a fenced-off one has overwritten.
        "min.compaction.lag.ms": str(10 * _MINUTE_MS),
    }
    topics = []
    for spec in TOPICS.values():
        partitions = settings.app.partitions if spec.partitions == PARTITIONS else spec.partitions
        kept = {**common, "cleanup.policy": "delete", "retention.ms": str(spec.retention_ms)}
        config = compacted if spec.cleanup_policy == "compact" else kept
        topics.append(
            Wanted(spec.name, partitions, replication, {**config, "max.message.bytes": str(spec.max_message_bytes)})
        )
    config = {**compacted, "max.message.bytes": str(LARGEST_MESSAGE_BYTES)}
    return [*topics, Wanted(settings.worker().changelog_topic, settings.app.partitions, replication, config)]


class Topics:
    """Compares and changes the topics of one cluster.

    Args:
        client: librdkafka settings of any client of these brokers.
        wanted: what must be there.
        patience_s: how long all brokers may take to know a new topic.

    Raises:
        UnreachableError: no broker answers.
        KafkaException: the brokers refuse.
    """

    def __init__(self, client: Mapping[str, Any], wanted: Sequence[Wanted], patience_s: float = _PATIENCE_S) -> None:
        self._client = client
        self._patience_s = patience_s
        self._wanted = {topic.name: topic for topic in wanted}

    def check(self) -> list[Difference]:
        """How the cluster differs; empty when all is as it must be."""
        found = topics_of(self._client, _ASK_S)
        differences = [Difference(name, "topic", "missing", "there") for name in self._wanted if name not in found]
        present = [wanted for name, wanted in self._wanted.items() if name in found]
        for wanted in present:
            partitions = found[wanted.name].partitions
            if len(partitions) != wanted.partitions:
                differences.append(Difference(wanted.name, "partitions", str(len(partitions)), str(wanted.partitions)))
            replication = min(len(partition.replicas) for partition in partitions.values())
            if replication < wanted.replication:
                differences.append(Difference(wanted.name, "replication", str(replication), str(wanted.replication)))
        return [*differences, *self._config_differences(present)]

    def apply(self) -> list[Difference]:
        """Create what is missing and set configurations; returns what was done, when all brokers know it."""
        mendable = [difference for difference in self.check() if difference.mendable]
        missing = [self._wanted[each.topic] for each in mendable if each.what == "topic"]
        if missing:
            self._create(missing)
        changes: dict[str, list[Difference]] = {}
        for difference in mendable:
            if difference.what != "topic":
                changes.setdefault(difference.topic, []).append(difference)
        self._configure(changes)
        self._await_metadata({wanted.name for wanted in missing})
        return mendable

    def _create(self, missing: Sequence[Wanted]) -> None:
        topics = [NewTopic(t.name, t.partitions, t.replication, config=dict(t.config)) for t in missing]
        # An attempt that nobody confirmed may have made some.
        ask(
            self._client,
            lambda admin, within_s: admin.create_topics(topics, request_timeout=within_s),
            _ASK_S,
            done_if=KafkaError.TOPIC_ALREADY_EXISTS,
        )

    def _await_metadata(self, created: Collection[str]) -> None:
        """Return when every broker tells of the topics: one answers for a new topic before all know it."""
        until_s = time.monotonic() + self._patience_s
        while (lack := self._lack(created)) is not None:
            if time.monotonic() > until_s:
                raise UnreachableError(f"{lack} after {self._patience_s:.0f} s; try again")
            time.sleep(_LOOK_S)

    def _lack(self, created: Collection[str]) -> str | None:
        """What one of the brokers does not tell of."""
        for address in brokers_of(self._client, _ASK_S):
            try:
                found = topics_of({**self._client, "bootstrap.servers": address}, min(_ANSWER_S, self._patience_s))
            except UnreachableError as error:
                return f"the topics are there, but {error}"
            for name, wanted in self._wanted.items():
                if name not in found or (name in created and not _is_usable(found[name], wanted)):
                    return f"{name} is there, but {address} does not tell of it"
        return None

    def _configure(self, changes: Mapping[str, Sequence[Difference]]) -> None:
        if not changes:
            return
        resources = [
            ConfigResource(
                ResourceType.TOPIC,
                topic,
                incremental_configs=[
                    ConfigEntry(each.what, each.wanted, incremental_operation=AlterConfigOpType.SET)
                    for each in differences
                ],
            )
            for topic, differences in changes.items()
        ]
        ask(
            self._client,
            lambda admin, within_s: admin.incremental_alter_configs(resources, request_timeout=within_s),
            _ASK_S,
        )

    def _config_differences(self, present: Sequence[Wanted]) -> Iterator[Difference]:
        if not present:
            return
        resources = [ConfigResource(ResourceType.TOPIC, wanted.name) for wanted in present]
        found_of = ask(
            self._client, lambda admin, within_s: admin.describe_configs(resources, request_timeout=within_s), _ASK_S
        )
        for resource, found in found_of.items():
            for key, value in self._wanted[resource.name].config.items():
                if found[key].value != value:
                    yield Difference(resource.name, key, str(found[key].value), value)


def _is_usable(found: TopicMetadata, wanted: Wanted) -> bool:
    leaders = [partition.leader for partition in found.partitions.values()]
    return len(leaders) == wanted.partitions and min(leaders) >= 0
