"""One broker, and topics of their own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.servers.kafka import KafkaServer
from tests.support.workers import PARTITIONS, fresh_topics

_groups = itertools.count()


@pytest.fixture(scope="package")
def server() -> Iterator[KafkaServer]:
    """A broker that may be killed."""
    with KafkaServer(partitions_default=PARTITIONS) as kafka:
        yield kafka


@pytest.fixture
def group() -> str:
    """A name of its own for each test."""
    return f"faults-{next(_groups)}"


@pytest.fixture
def bootstrap(server: KafkaServer, group: str) -> str:
    """The broker, with nothing in its topics."""
    return fresh_topics(server, group)
