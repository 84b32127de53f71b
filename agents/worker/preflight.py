"""Before a worker starts: do the topics fit its way of working?"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from agents.kafka import clients
from agents.kafka.brokers import topics_of
from agents.process.exits import RefusedError
from agents.settings.worker import WorkerConfig
from agents.worker.serde import FLEET_DAYS

logger = logging.getLogger(__name__)

_ASK_S = 30.0


def require_topics(config: WorkerConfig, inputs: Sequence[str]) -> None:
    """Input topics and changelog must exist, have equally many partitions, and the changelog must keep state.

    The topic of fleet updates must exist.

    Raises:
        RefusedError: something does not fit; the message names all of it.
        UnreachableError: no broker answers.
        KafkaException, TimeoutError: the broker refuses to tell.
    """
    logger.info("asking %s for the topics", config.bootstrap)
    client = clients.of_worker(config)
    found, admin = topics_of(client, _ASK_S), clients.admin(client)
    needed = [*inputs, config.changelog_topic]
    if config.embedded:
        # The embedded broker creates a topic for whoever asks for it, and knows no settings.
        for name in [*needed, FLEET_DAYS]:
            admin.list_topics(name, timeout=_ASK_S)
        return
    counts = {name: len(found[name].partitions) for name in needed if name in found}
    problems = [f"topic {name} does not exist" for name in [*needed, FLEET_DAYS] if name not in found]
    if len(set(counts.values())) > 1:
        problems.append(f"input topics and changelog must have equally many partitions: {counts}")
    if config.changelog_topic in counts:
        policy = _cleanup_policy(admin, config.changelog_topic)
        if policy != "compact":
            problems.append(
                f"topic {config.changelog_topic} has cleanup.policy={policy}, must be compact: state would be deleted"
            )
    if problems:
        message = "; ".join([*problems, "see `foreshock topics check`"])
        raise RefusedError(message)


def _cleanup_policy(admin: AdminClient, topic: str) -> str:
    (future,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    try:
        return str(future.result(_ASK_S)["cleanup.policy"].value)
    except TimeoutError as error:
        message = f"the brokers did not tell the configuration of {topic} within {_ASK_S:.0f} s"
        raise TimeoutError(message) from error
