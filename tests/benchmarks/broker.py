"""A real Kafka with the product's topics and a backlog in them."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agents.eventfiles.files import EventFiles
from agents.kafka.topics import Topics, wanted_topics
from agents.replay.arrivals import every
from agents.replay.emit import EmitOptions, emit
from agents.replay.plan import plan
from agents.settings import Settings, load
from schemas.registry.source import FileRegistry
from schemas.topics import INPUT_TOPICS
from tests.benchmarks.process import MeasurementError
from tests.benchmarks.workload import HOUR_MS, Workload
from tests.servers import locate
from tests.servers.kafka import THROUGHPUT, KafkaServer
from tests.support.producers import Sending, Team
from tests.support.topics import delete_topics

PARTITIONS = 4
_TOPICS_S = 30.0
_groups = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the input topics."""

    bootstrap: str
    records: int
    """Ticks included."""
    warm_up: int = 0
    """Records of the day on which everyone is seen, and of what comes with it."""
    strays: int = 0
    """Records that wait in another partition than their account's; each is read twice."""


@contextmanager
def kafka() -> Iterator[KafkaServer]:
    """A broker tuned for throughput, gone afterwards."""
    with KafkaServer(partitions_default=PARTITIONS, heap="1g", jvm_flags=THROUGHPUT) as server:
        yield server


def version() -> str:
    """Version of the broker."""
    jars = locate.kafka_jars().glob("kafka_2.13-*.jar")
    found = re.search(r"kafka_2\.13-([\d.]+)\.jar", " ".join(jar.name for jar in jars))
    return found.group(1) if found else "unknown"


def environment(bootstrap: str, group: str, **more: str) -> dict[str, str]:
    """Settings of a process of the product, as environment variables."""
    return {
        "FORESHOCK_KAFKA__BOOTSTRAP": bootstrap,
        "FORESHOCK_KAFKA__REPLICATION_FACTOR": "1",
        "FORESHOCK_APP__GROUP": group,
        "FORESHOCK_APP__PARTITIONS": str(PARTITIONS),
        "FORESHOCK_METRICS__PORT": "0",
        "FORESHOCK_LOG__LEVEL": "warning",
        # The backlog is from the past: ticks of the wall clock would close its days.
        "FORESHOCK_TIME__CLOCK": "events",
        **more,
    }


def settings(variables: Mapping[str, str]) -> Settings:
    """Settings of these variables alone."""
    return load(None, variables)


def new_group(bootstrap: str) -> str:
    """A group of workers that never ran, its changelog and all other topics."""
    group = f"bench-{os.getpid()}-{next(_groups)}"
    chosen = settings(environment(bootstrap, group))
    topics = Topics(chosen.kafka_client(), wanted_topics(chosen))
    topics.apply()
    deadline = time.monotonic() + _TOPICS_S
    while missing := topics.check():
        if time.monotonic() > deadline:
            message = f"{missing[0]} after {_TOPICS_S:g} s"
            raise MeasurementError(message)
        time.sleep(0.1)
    return group


def fill(bootstrap: str, workload: Workload, say: Callable[[str], None], team: Team | None = None) -> Backlog:
    """Produce a workload into empty topics as `foreshock emit` or a team would, with a tick for every hour."""
    delete_topics(bootstrap)
    new_group(bootstrap)
    say(f"making {workload.events:,} events of {workload.accounts:,} accounts")
    files = workload.make()
    client: dict[str, Any] = {"bootstrap.servers": bootstrap, "log_level": 3}
    say("producing them")
    if team is not None:
        return _fill_as(bootstrap, files, team)
    emitted = emit(files, client, FileRegistry(), EmitOptions(every(HOUR_MS)))
    warm_up = 0
    if workload.everyone_first:
        warm_up = workload.first_events + workload.accounts
        warm_up += (emitted.records - warm_up) // 10
    say(f"{emitted.records:,} records, {emitted.size_bytes / 2**20:,.0f} MiB")
    return Backlog(bootstrap, emitted.records, warm_up)


def _fill_as(bootstrap: str, files: EventFiles, team: Team) -> Backlog:
    sending = Sending(bootstrap, team, PARTITIONS)
    planned = plan(files, PARTITIONS, every(HOUR_MS))
    for step in planned:
        sending.events(step)
        sending.tick(step.tick_at_ms)
    ticks = len(planned) * PARTITIONS * len(INPUT_TOPICS)
    return Backlog(bootstrap, sending.sent.total() + ticks, strays=sending.strays.total())
