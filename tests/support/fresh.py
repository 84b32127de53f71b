"""Topics of their own for each test on a shared broker."""

from __future__ import annotations

import time

from confluent_kafka.admin import AdminClient

from tests.servers.kafka import KafkaServer
from tests.support.workers import OUTPUTS, TOPICS

PARTITIONS = 4
QUICK_GROUPS = {"group.initial.rebalance.delay.ms": 0, "group.min.session.timeout.ms": 1_000}
"""Broker settings under which a group forms at once."""


def delete_topics(bootstrap: str, names: list[str]) -> None:
    """Delete topics and wait until they are gone."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_topics(names).values() if names else ():
        future.result()
    deadline = time.monotonic() + 30
    while set(names) & set(admin.list_topics(timeout=20).topics):
        assert time.monotonic() < deadline, names
        time.sleep(0.1)


def fresh_topics(server: KafkaServer, group: str) -> str:
    """Delete what earlier tests left, create what a worker needs; the bootstrap address."""
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    delete_topics(
        server.bootstrap, [name for name in admin.list_topics(timeout=20).topics if not name.startswith("__")]
    )
    server.create_topics([*TOPICS, *OUTPUTS], partitions=PARTITIONS)
    server.create_topics([f"{group}-state-changelog"], partitions=PARTITIONS, config={"cleanup.policy": "compact"})
    return server.bootstrap
