"""Before a worker starts: do the topics fit its way of working?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from agents.kafka import clients
from agents.kafka.brokers import topics_of
from agents.process.exits import RefusedError
from agents.settings.worker import WorkerConfig
from agents.worker.serde import FLEET_DAYS

logger = logging.getLogger(__name__)

_ASK_S = 30.0
_SEE = "see `foreshock topics check`, and 'When partitions were added' in deploy/README.md"


def require_topics(config: WorkerConfig, inputs: Sequence[str]) -> int:
    """Input topics and changelog must exist, have equally many partitions, and the changelog must keep state.

    The topic of fleet updates must exist.

    Returns:
        How many partitions each of them has.

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
        made = [admin.list_topics(name, timeout=_ASK_S).topics[name] for name in [*needed, FLEET_DAYS]]
        return len(made[0].partitions)
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
        message = "; ".join([*problems, _SEE])
        raise RefusedError(message)
    return counts[config.changelog_topic]


def require_unchanged(found: Mapping[str, int], partitions: int) -> None:
    """No topic may have other partitions than when the worker started: keys would leave their accounts' state.

    Args:
        found: partitions of input topics and changelog by name; 0 where that is not known.
        partitions: how many each of them had.

    Raises:
        RefusedError: one has more, or fewer; the message names it.
    """
    changed = [
        f"{topic} has {now} partitions, had {partitions}" for topic, now in found.items() if now not in {0, partitions}
    ]
    if changed:
        message = f"{'; '.join(changed)}: accounts would be parted from their state; {_SEE}"
        raise RefusedError(message)


def _cleanup_policy(admin: AdminClient, topic: str) -> str:
    (future,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    try:
        return str(future.result(_ASK_S)["cleanup.policy"].value)
    except TimeoutError as error:
        message = f"the brokers did not tell the configuration of {topic} within {_ASK_S:.0f} s"
        raise TimeoutError(message) from error
